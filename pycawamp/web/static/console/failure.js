/** Explains to operators why a write failed. */

const REASONS = {
  forbidden: "you may not write this PV",
  unauthenticated: "writing requires a login",
  not_connected: "the PV is disconnected",
  put_failed: "the IOC refused it",
  bad_value: "the PV cannot take this value",
  rate_limited: "too many requests in a short time; try again in a moment",
  too_large: "the value is too large",
  overloaded: "the gateway is overloaded; try again in a moment",
};
/** Errors after which the write may have been carried out. */
const UNSURE = {
  timeout: "the IOC did not confirm it in time",
  unreachable: "the connection to the gateway was lost",
};

/** Errors that a login may avoid. */
const BY_LOGIN = ["forbidden", "unauthenticated"];

/** @param {{code?: string, message: string}} error @param {boolean} [loginMayHelp] */
export function failureText({ code = "", message }, loginMayHelp = false) {
  if (Object.hasOwn(UNSURE, code)) return `It may or may not have been written: ${UNSURE[code]}. Check the value.`;
  const reason = Object.hasOwn(REASONS, code) ? `${REASONS[code]} (${message})` : message;
  return `Not written: ${reason}${loginMayHelp && BY_LOGIN.includes(code) ? ". Logging in may help" : ""}`;
}
