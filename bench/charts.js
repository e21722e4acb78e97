/* What bench/charts.py runs in a page of the gateway: each returns the milliseconds of a redraw. */
const ROUNDS = 40;

function samplesOf(traces, samples) {
  return Array.from({ length: traces }, (_, trace) => ({
    times: Float64Array.from({ length: samples }, (_, i) => 1.79e9 + i / 10),
    values: Float64Array.from({ length: samples }, (_, i) => Math.sin(i / 50 + trace) + 0.1 * ((i * 7919) % 13)),
  }));
}

/** The script's time, without the browser's drawing; the lower quartile: other processes compete for the processor. */
async function measure(draw) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    draw();
    // uPlot draws in a microtask.
    await Promise.resolve();
    await Promise.resolve();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 4)];
}

async function ours(data) {
  const [{ Chart }, series, views] = await Promise.all(["chart", "series", "views"].map((name) => import(`/static/plot/${name}.js`)));
  const end = data[0].times.at(-1);
  const span = end - data[0].times[0];
  const traces = data.map(({ times, values }, i) => {
    const samples = views.timelineOf({ pvname: "", timestamps: times, values, severities: new Uint8Array(values.length) });
    const trace = series.stripTrace({ samples: () => samples, now: () => end, utc: () => true, metadata: () => null, text: String });
    return { ...trace, style: { colour: `series-${(i % 8) + 1}`, tag: String(i + 1), axis: "" } };
  });
  const strip = series.stripSeries({ traces: () => traces, now: () => end, reach: () => span, utc: () => true, seconds: span });
  const canvas = document.createElement("canvas");
  Object.assign(canvas.style, { width: "1200px", height: "400px" });
  document.body.replaceChildren(canvas);
  const chart = new Chart(canvas, strip, () => {});
  await new Promise((resolve) => setTimeout(resolve, 500));
  return measure(() => chart.draw());
}

function uplot(data) {
  const { uPlot } = globalThis;
  const paths = uPlot.paths.stepped({ align: 1 });
  const columns = [data[0].times, ...data.map(({ values }) => values)];
  const series = data.map((_, i) => ({ stroke: `hsl(${(i * 47) % 360} 70% 40%)`, width: 1.5, paths, points: { show: false } }));
  document.body.replaceChildren();
  const plot = new uPlot({ width: 1200, height: 400, series: [{}, ...series], legend: { show: false } }, columns, document.body);
  return measure(() => plot.redraw(true));
}

globalThis.charts_ = { samplesOf, ours, uplot };
