/* What else needs of the type Intake. */
#ifndef PYCAWAMP_INTAKE_H
#define PYCAWAMP_INTAKE_H

#include "native.h"

#include "events.h"

/* Of an Intake that is not closed; NULL if it is. */
struct events *intake_events(PyObject *intake);

#endif
