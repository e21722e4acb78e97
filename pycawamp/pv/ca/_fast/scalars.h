/* Scalar readings of the bus, on the routes of their PVs. */
#ifndef PYCAWAMP_SCALARS_H
#define PYCAWAMP_SCALARS_H

#include "native.h"

/* See Intake.send_scalars in pv/intake.py. */
PyObject *send_scalars(PyTypeObject *route_type, PyObject *args);

#endif
