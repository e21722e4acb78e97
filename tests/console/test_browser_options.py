"""The JavaScript client in a real browser: its options for PVs of a real pvAccess server."""

from __future__ import annotations

from tests.support.console_case import in_thread
from tests.support.pva_web_case import PVAWebTestCase

SHOWN = (
    "add('long', nt.NTScalar('l'), {'value': 2**53 + 1,"
    " 'alarm': {'severity': 2, 'status': 2, 'message': 'the motor stalled'}})",
    "add('longs', nt.NTScalar('aL'), np.array([1, 2**64 - 1], 'u8'))",
    "V = nt.NTNDArray().wrap(np.full((20, 40), 77, 'u1'))",
    "V.attribute = [{'name': 'Gain', 'value': 2.5}]",
    "add('camera', None, V)",
)
# The first update of each handle.
FIRST = """
const done = arguments[arguments.length - 1];
import("/static/pycaserver.js").then(async ({ PVClient }) => {
  const gw = new PVClient();
  const first = (name, options) => new Promise((resolve, reject) => {
    const pv = gw.pv(name, options);
    pv.on("value", resolve);
    pv.on("error", reject);
  });
  const image = { jpeg: 90, max: 16 };
  const [long, number, longs, plain, camera] = await Promise.all([
    first("pva://long", { int64: "string", alarmMessage: true, metadata: true }),
    first("pva://long"),
    first("pva://longs", { int64: "string" }),
    first("pva://longs"),
    first("pva://camera", { attributes: true, arrays: "binary", image }),
  ]);
  const bitmap = await createImageBitmap(new Blob([camera.value], { type: "image/jpeg" }));
  gw.close();
  done([long.value, long.alarm_message, number.value, longs.value, plain.value,
    camera.codec, camera.image_shape, camera.attributes, [bitmap.width, bitmap.height]]);
}).catch((error) => done(String(error)));
"""


class OptionTests(PVAWebTestCase):
    """A page of the gateway."""

    @in_thread
    def test_options(self) -> None:
        """Digits, messages of alarms, attributes and JPEGs are sent to handles that need them."""
        for line in SHOWN:
            self.server.run_now(line)
        self.open()
        found = self.browser.driver.execute_async_script(FIRST)
        self.assertEqual(
            found,
            [
                *("9007199254740993", "the motor stalled", 2**53),
                *(["1", "18446744073709551615"], [1, 2**64]),
                *("jpeg", [8, 16], {"Gain": 2.5}, [16, 8]),
            ],
        )
