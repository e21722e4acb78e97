/* The type History: see Store in pycawamp/pv/history.py for what its methods do. */
#include "history.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  LEAST = 16, /* samples */
  MOST = 1 << 24,
  SPARSE = 8, /* less used memory than this fraction is released */
  REFUSED = 256, /* samples between two requests for memory that was refused */
  SEVERITY_SHIFT = 30,
  SEVERITIES = 4,
};

static struct sample *at(const History *self, uint32_t index) {
  index += self->first;
  return &self->samples[index < self->room ? index : index - self->room];
}

/* 1 if this number of bytes was reserved, 0 if not, -1 with an exception set. */
static int reserve(PyObject *asked, Py_ssize_t bytes) {
  PyObject *answer = PyObject_CallFunction(asked, "n", bytes);
  if (!answer) return -1;
  int granted = PyObject_IsTrue(answer);
  Py_DECREF(answer);
  return granted;
}

static void copy(const History *self, struct sample *to) {
  uint32_t end = self->room - self->first, before = self->length < end ? self->length : end;
  if (!self->length) return;
  memcpy(to, self->samples + self->first, before * sizeof *to);
  memcpy(to + before, self->samples, (self->length - before) * sizeof *to);
}

/* 1 if the ring has this size now, 0 if there is no memory, -1 with an exception set. */
static int resize(History *self, uint32_t room) {
  Py_ssize_t more = ((Py_ssize_t)room - (Py_ssize_t)self->room) * (Py_ssize_t)sizeof(struct sample);
  uint32_t before = self->room;
  PyObject *asked = Py_NewRef(self->reserve);
  int granted = reserve(asked, more);
  /* The called function may use the history. */
  bool fits = self->reserve && self->room == before && self->length <= room;
  struct sample *moved = granted > 0 && fits ? malloc(room * sizeof *moved) : NULL;
  if (granted > 0 && !moved) granted = reserve(asked, -more) < 0 ? -1 : 0;
  Py_DECREF(asked);
  if (granted <= 0) return granted;
  copy(self, moved);
  free(self->samples);
  self->samples = moved;
  self->first = 0;
  self->room = room;
  return 1;
}

static void drop_oldest(History *self) {
  self->first = self->first + 1 < self->room ? self->first + 1 : 0;
  self->length--;
}

/* The last one before the period is kept: it is the value at its start. */
static void expire(History *self, uint32_t now) {
  uint32_t oldest = now > self->keep ? now - self->keep : 0;
  while (self->length > 1 && at(self, 1)->seconds < oldest) drop_oldest(self);
}

/* 1 if there is room for one more, 0 if there is no memory for any, -1 with an exception set. */
static int make_room(History *self) {
  if (self->length < self->room) {
    if (self->room <= SPARSE * LEAST || self->length * SPARSE >= self->room) return 1;
    return resize(self, self->room / 2);
  }
  if (self->room < self->most && !self->until_asked) {
    uint32_t room = self->room ? 2 * self->room : LEAST;
    int granted = resize(self, room < self->most ? room : self->most);
    if (granted) return granted;
    self->until_asked = REFUSED;
  }
  if (self->until_asked) self->until_asked--;
  if (self->length) drop_oldest(self);
  return self->room > 0;
}

/* Moves the newest samples into the ring; -1 with an exception set. */
static int settle(History *self) {
  uint32_t waiting = self->waiting;
  self->waiting = 0;
  for (uint32_t i = 0; i < waiting && self->reserve; i++) {
    expire(self, self->recent[i].seconds);
    int granted = make_room(self);
    if (granted < 0) return -1;
    if (granted) *at(self, self->length++) = self->recent[i];
  }
  return 0;
}

int history_push(History *self, double value, uint32_t seconds, uint32_t nanoseconds,
                 unsigned severity) {
  if (!self->reserve) return 0; /* closed */
  struct sample *sample = &self->recent[self->waiting++];
  sample->value = value;
  sample->seconds = seconds;
  sample->rest = nanoseconds | (uint32_t)(severity < SEVERITIES ? severity : SEVERITIES - 1)
                                   << SEVERITY_SHIFT;
  return self->waiting < RECENT ? 0 : settle(self);
}

/* The type */

static PyObject *history_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  unsigned keep;
  Py_ssize_t most;
  PyObject *reserve;
  if (!PyArg_ParseTuple(args, "InO", &keep, &most, &reserve)) return NULL;
  if (most < 1 || most > MOST) {
    PyErr_SetString(PyExc_ValueError, "expected a number of samples");
    return NULL;
  }
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  History *self = (History *)allocate(type, 0);
  if (!self) return NULL;
  self->keep = keep;
  self->most = (uint32_t)most;
  self->reserve = Py_NewRef(reserve);
  return (PyObject *)self;
}

static int history_traverse(History *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->reserve);
  return 0;
}

static int history_tp_clear(History *self) {
  Py_CLEAR(self->reserve);
  return 0;
}

static void history_dealloc(History *self) {
  PyObject_GC_UnTrack(self);
  PyTypeObject *type = Py_TYPE(self);
  free(self->samples);
  Py_CLEAR(self->reserve);
  freefunc free_type = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_type(self);
  Py_DECREF(type);
}

/* The fields of a Reading. */
enum { STATUS, SEVERITY, SECONDS, NANOSECONDS, VALUE };

static unsigned long item(PyObject *reading, Py_ssize_t index) {
  return PyLong_AsUnsignedLongMask(PyTuple_GetItem(reading, index));
}

static PyObject *history_append(History *self, PyObject *reading) {
  if (!PyTuple_Check(reading) || PyTuple_Size(reading) != VALUE + 1) {
    PyErr_SetString(PyExc_TypeError, "expected a Reading");
    return NULL;
  }
  PyObject *number = PyTuple_GetItem(reading, VALUE);
  double value = NAN; /* no value */
  if (PyFloat_Check(number))
    value = PyFloat_AsDouble(number);
  else if (PyLong_Check(number))
    value = PyLong_AsDouble(number);
  else if (number != Py_None)
    Py_RETURN_NONE;
  unsigned long seconds = item(reading, SECONDS), nanoseconds = item(reading, NANOSECONDS),
                severity = item(reading, SEVERITY);
  if (PyErr_Occurred()) return NULL;
  if (!seconds) { /* no time stamp */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seconds = (unsigned long)now.tv_sec;
    nanoseconds = (unsigned long)now.tv_nsec;
  }
  if (history_push(self, value, (uint32_t)seconds, (uint32_t)nanoseconds, (unsigned)severity))
    return NULL;
  Py_RETURN_NONE;
}

static PyObject *history_samples(History *self, PyObject *unused) {
  (void)unused;
  if (settle(self)) return NULL;
  PyObject *bytes = PyBytes_FromStringAndSize(
      NULL, (Py_ssize_t)(self->length * sizeof(struct sample)));
  if (bytes) copy(self, (struct sample *)PyBytes_AsString(bytes));
  return bytes;
}

static PyObject *history_close(History *self, PyObject *unused) {
  (void)unused;
  uint32_t room = self->room;
  free(self->samples);
  self->samples = NULL;
  self->room = self->first = self->length = self->waiting = 0;
  PyObject *asked = self->reserve;
  self->reserve = NULL;
  int released = asked && room ? reserve(asked, -(Py_ssize_t)(room * sizeof(struct sample))) : 0;
  Py_XDECREF(asked);
  if (released < 0) return NULL;
  Py_RETURN_NONE;
}

static Py_ssize_t history_length(PyObject *self) {
  if (settle((History *)self)) return -1;
  return (Py_ssize_t)((History *)self)->length;
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)history_append, METH_O, NULL},
    {"samples", (PyCFunction)history_samples, METH_NOARGS, NULL},
    {"close", (PyCFunction)history_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, history_new},           {Py_tp_dealloc, history_dealloc},
    {Py_tp_traverse, history_traverse}, {Py_tp_clear, history_tp_clear},
    {Py_tp_methods, methods},           {Py_sq_length, history_length},
    {0, NULL},
};

PyType_Spec history_spec = {
    .name = "pycawamp.pv.ca._fast._native.History",
    .basicsize = sizeof(History),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
