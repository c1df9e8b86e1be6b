// Draw the description of the interface; whoever is logged in can try it out.

const place = document.getElementById("interface");

function withProof(request) {
  const cookie = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
  const here = new URL(request.url, location.href).origin === location.origin;
  if (cookie && here) request.headers["X-CSRFToken"] = cookie.slice("csrftoken=".length);
  return request;
}

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  requestInterceptor: withProof,
});
