/**
 * A URL beside this page, wherever a proxy may have put it. A user and a password in the address
 * of the page are left out: browsers refuse to fetch such URLs, and send both by themselves.
 *
 * @param {string} path
 */
export function gatewayUrl(path) {
  const url = new URL(path, document.baseURI.replace(/[?#].*/, ""));
  url.username = url.password = "";
  return url;
}
