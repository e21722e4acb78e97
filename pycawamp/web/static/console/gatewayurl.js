/**
 * A URL relative to this page, as proxies may add a prefix. A user and a password in the address
 * of the page are removed, since browsers refuse to fetch such URLs, and send both anyway.
 *
 * @param {string} path
 */
export function gatewayUrl(path) {
  const url = new URL(path, document.baseURI.replace(/[?#].*/, ""));
  url.username = url.password = "";
  return url;
}
