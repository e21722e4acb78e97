from glob import glob

from setuptools import Extension, setup

FAST = "pycawamp/pv/ca/_fast"

setup(
    ext_modules=[
        Extension(
            "pycawamp.pv.ca._fast._native",
            sorted(glob(f"{FAST}/*.c") + glob(f"{FAST}/*.cpp")),
            depends=glob(f"{FAST}/*.h"),
            define_macros=[("Py_LIMITED_API", "0x030A0000")],
            extra_compile_args=["-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
            py_limited_api=True,
            # Without a compiler, or on other systems than Linux, everything is done in Python.
            optional=True,
        )
    ],
    # One wheel for all versions of Python from 3.10 on.
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
