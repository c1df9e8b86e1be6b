"""Making a project in a browser: the form's fields, what they come to, and the preview beside."""
