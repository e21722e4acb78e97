/** PVs in React: a list of values, a chart of one of them, and a field that writes a setpoint. */
import "pycaserver/elements";
import { useRef, useState } from "react";
import { createRoot } from "react-dom/client";

const NAMES = ["demo:sine", "demo:ramp", "demo:setpoint"];

function App() {
  const [charted, setCharted] = useState(NAMES[0]);
  return (
    <main>
      <h1>PVs in React</h1>
      <ul>
        {NAMES.map((name) => (
          <li key={name}>
            <button onClick={() => setCharted(name)}>{name}</button> <Value name={name} />
          </li>
        ))}
      </ul>
      <pv-chart pv={charted} seconds="60" />
      <Setpoint name="demo:setpoint" />
    </main>
  );
}

/** A value with a count of its updates: what an element tells comes as events. */
function Value({ name }) {
  const [updates, setUpdates] = useState(0);
  return (
    <>
      <pv-value pv={name} format="%.1f" units="" onpv-update={() => setUpdates((count) => count + 1)}>
        offline
      </pv-value>{" "}
      <small>{updates} updates</small>
    </>
  );
}

/** An element's handle reads and writes. */
function Setpoint({ name }) {
  const element = useRef(null);
  const [outcome, setOutcome] = useState("");
  const write = async (event) => {
    event.preventDefault();
    try {
      await element.current.handle.put(Number(new FormData(event.target).get("value")));
      setOutcome("written");
    } catch (error) {
      setOutcome(error.message);
    }
  };
  return (
    <form onSubmit={write}>
      <pv-value ref={element} pv={name} /> <input name="value" type="number" step="any" aria-label={name} /> <output>{outcome}</output>
    </form>
  );
}

createRoot(document.getElementById("root")).render(<App />);
