#include "scalars.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "render.h"
#include "route.h"

enum { SEVERITIES = 4 };

/* Writes DBR_TIME bytes for a route; returns their number, 0 if there is no equivalent. */
static size_t compose(const Route *route, const struct scalar *scalar, char *raw) {
  bool is_long = route->type == LONG;
  if (is_long != (scalar->is_whole != 0) || scalar->severity >= SEVERITIES) return 0;
  if (is_long && !(scalar->value >= INT32_MIN && scalar->value <= INT32_MAX)) return 0;
  if (route->type == FLOAT && scalar->value == scalar->value &&
      (double)(float)scalar->value != scalar->value)
    return 0; /* more digits than a FLOAT has: Python keeps them */
  if (scalar->seconds < EPICS_EPOCH || scalar->nanoseconds >= NANOSECONDS) return 0;
  struct numeric numeric = {scalar->value, scalar->seconds, scalar->nanoseconds, scalar->severity};
  return write_number(route->type, &numeric, scalar->status, raw);
}

/* Passes a scalar to Python; returns whether it was an update, -1 with an exception set. */
static int pass_to_python(PyObject *take, const struct scalar *scalar, Route *route) {
  PyObject *result = PyObject_CallFunction(take, "IBBBIId", scalar->number, scalar->severity,
                                           scalar->status, scalar->is_whole, scalar->seconds,
                                           scalar->nanoseconds, scalar->value);
  int is_update = result ? PyObject_IsTrue(result) : -1;
  Py_XDECREF(result);
  if (is_update >= 0 && route && route_plan(route)) return -1;
  return is_update;
}

/* A new reference to the route of a number; NULL if there is none, or with an exception set. */
static Route *route_of(PyObject *routes, uint32_t number, PyTypeObject *type) {
  PyObject *key = PyLong_FromUnsignedLong(number);
  PyObject *found = key ? PyDict_GetItemWithError(routes, key) : NULL;
  Py_XDECREF(key);
  return found && PyObject_TypeCheck(found, type) ? (Route *)Py_NewRef(found) : NULL;
}

PyObject *send_scalars(PyTypeObject *route_type, PyObject *args) {
  const char *message;
  Py_ssize_t length, start, end;
  PyObject *routes, *take;
  if (!PyArg_ParseTuple(args, "y#nnO!O", &message, &length, &start, &end, &PyDict_Type, &routes,
                        &take))
    return NULL;
  struct scalar scalar;
  const Py_ssize_t size_of_one = sizeof scalar;
  if (start < 0 || end < start || end > length || (end - start) % size_of_one) {
    PyErr_SetString(PyExc_ValueError, "no scalars");
    return NULL;
  }
  long updates = 0;
  int taken = 0;
  for (Py_ssize_t at = start; at < end && taken >= 0; at += size_of_one) {
    char raw[INLINE_BYTES];
    memcpy(&scalar, message + at, sizeof scalar);
    Route *route = route_of(routes, scalar.number, route_type);
    if (!route && PyErr_Occurred()) {
      taken = -1;
      break;
    }
    size_t size = route ? compose(route, &scalar, raw) : 0;
    taken = size ? route_send(route, raw, size) : 0;
    if (!taken) taken = pass_to_python(take, &scalar, route);
    Py_XDECREF((PyObject *)route);
    updates += taken;
  }
  return taken < 0 ? NULL : PyLong_FromLong(updates);
}
