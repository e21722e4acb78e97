/* The type Intake, for other files. */
#ifndef PYCAWAMP_INTAKE_H
#define PYCAWAMP_INTAKE_H

#include "native.h"

#include "events.h"

/* The events of an Intake; NULL if it is closed. */
struct events *intake_events(PyObject *intake);

#endif
