// A page with a display of Phoebus, shown by cs-web-lib's own widgets. The address says what:
// ?file=…&socket=HOST:PORT&macros={…}
import { EmbeddedDisplay, FileProvider, RelativePosition, store } from "@diamondlightsource/cs-web-lib";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { BrowserRouter } from "react-router-dom";

const query = new URLSearchParams(location.search);
const config = { PVWS_SOCKET: query.get("socket"), PVWS_SSL: false, THROTTLE_PERIOD: 50 };
const file = { path: query.get("file"), defaultProtocol: "ca", macros: JSON.parse(query.get("macros")) };

createRoot(document.getElementById("root")).render(
  <Provider store={store(config)}>
    <BrowserRouter>
      <FileProvider initialPageState={{ main: file }}>
        <EmbeddedDisplay file={file} position={new RelativePosition("0", "0", "100%", "100%")} />
      </FileProvider>
    </BrowserRouter>
  </Provider>,
);
