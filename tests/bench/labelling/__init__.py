"""Parts of the labelling benchmark: data, web server, virtual annotators, the peer, the page."""
