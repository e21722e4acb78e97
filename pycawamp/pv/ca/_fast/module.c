#include "native.h"
#include "render.h"

static PyObject *render_scalar(PyObject *module, PyObject *args) {
  (void)module;
  int type, with_alarm;
  const char *raw;
  Py_ssize_t size;
  struct rendered rendered;
  if (!PyArg_ParseTuple(args, "iy#p", &type, &raw, &size, &with_alarm)) return NULL;
  if (type < 0 || type >= FIELD_TYPES) {
    PyErr_SetString(PyExc_ValueError, "no field type");
    return NULL;
  }
  unsigned wanted = WITH_TEXT | (with_alarm ? WITH_ALARM : 0);
  if (!render((enum field_type)type, raw, (size_t)size, wanted, &rendered)) Py_RETURN_NONE;
  PyObject *fields = PyTuple_New(FIELDS);
  for (int i = 0; fields && i < FIELDS; i++) {
    struct span field = rendered.fields[i];
    PyObject *text = PyBytes_FromStringAndSize(field.text, (Py_ssize_t)field.length);
    if (!text || PyTuple_SetItem(fields, i, text)) Py_CLEAR(fields);
  }
  return fields;
}

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec) {
  PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
  if (type && PyModule_AddType(module, (PyTypeObject *)type)) Py_CLEAR(type);
  return (PyTypeObject *)type;
}

/* Also in __init__.py. Increase it with each change of the interface to Python. */
enum { INTERFACE = 6 };

static int execute(PyObject *module) {
  if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE)) return -1;
  struct native_state *state = PyModule_GetState(module);
  state->intake_type = add_type(module, &intake_spec);
  state->route_type = add_type(module, &route_spec);
  state->buffer_type = add_type(module, &buffer_spec);
  state->history_type = add_type(module, &history_spec);
  state->form_type = add_type(module, &form_spec);
  state->direct_type = add_type(module, &direct_spec);
  state->updates_type = add_type(module, &updates_spec);
  return PyErr_Occurred() ? -1 : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
  struct native_state *state = PyModule_GetState(module);
  Py_VISIT(state->intake_type);
  Py_VISIT(state->route_type);
  Py_VISIT(state->buffer_type);
  Py_VISIT(state->history_type);
  Py_VISIT(state->form_type);
  Py_VISIT(state->direct_type);
  Py_VISIT(state->updates_type);
  return 0;
}

static int module_clear(PyObject *module) {
  struct native_state *state = PyModule_GetState(module);
  Py_CLEAR(state->intake_type);
  Py_CLEAR(state->route_type);
  Py_CLEAR(state->buffer_type);
  Py_CLEAR(state->history_type);
  Py_CLEAR(state->form_type);
  Py_CLEAR(state->direct_type);
  Py_CLEAR(state->updates_type);
  return 0;
}

static PyMethodDef functions[] = {
    {"render", render_scalar, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native",         .m_size = sizeof(struct native_state),
    .m_methods = functions, .m_slots = slots, .m_traverse = module_traverse,
    .m_clear = module_clear};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
