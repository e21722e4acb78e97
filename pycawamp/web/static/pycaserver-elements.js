/**
 * Live PVs as custom elements, for pages and for frameworks:
 *
 *     <script type="module" src="/static/pycaserver-elements.js"></script>
 *     <pv-value pv="demo:sine" format="%.2f" units>offline</pv-value>
 *     <pv-chart pv="demo:sine" seconds="60"></pv-chart>
 *
 * @module pycaserver/elements
 */
export { PVChartElement } from "./elements/chart.js";
export { PVValueElement } from "./elements/value.js";
