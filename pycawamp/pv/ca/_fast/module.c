#include "native.h"

static int execute(PyObject *module) {
  PyObject *type = PyType_FromModuleAndSpec(module, &intake_spec, NULL);
  if (!type) return -1;
  int failed = PyModule_AddType(module, (PyTypeObject *)type);
  Py_DECREF(type);
  return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native", .m_slots = slots};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
