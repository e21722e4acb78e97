/* Python by its stable interface: one build serves all versions from 3.10 on. */
#ifndef PYCAWAMP_NATIVE_H
#define PYCAWAMP_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define Py_XSETREF(target, value)          \
  do {                                     \
    PyObject *old_ = (PyObject *)(target); \
    (target) = (value);                    \
    Py_XDECREF(old_);                      \
  } while (0)

/* The state of one import of the module. */
struct native_state {
  PyTypeObject *intake_type, *route_type, *buffer_type, *history_type;
  PyTypeObject *form_type, *direct_type, *updates_type;
};

extern PyType_Spec intake_spec, route_spec, buffer_spec, history_spec;
extern PyType_Spec form_spec, direct_spec, updates_spec;

#endif
