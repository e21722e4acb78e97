/* Updates of numbers by pvAccess, from a connection's bytes to the queue, without Python. */
#ifndef PYCAWAMP_UPDATES_H
#define PYCAWAMP_UPDATES_H

#include "native.h"

/* A new Updates for an Intake. */
PyObject *updates_make(PyTypeObject *type, PyObject *intake);

#endif
