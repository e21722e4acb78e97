/* The type FrameBuffer: see pycawamp/pv/routes.py for what its methods do. */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 256, KEPT = 1 << 16 }; /* bytes */

static PyObject *buffer_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"joint", NULL};
  PyObject *joint;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "S", names, &joint)) return NULL;
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  FrameBuffer *self = (FrameBuffer *)allocate(type, 0);
  if (!self) return NULL;
  Py_INCREF(joint);
  self->joint = joint;
  return (PyObject *)self;
}

static void drop_streams(FrameBuffer *self) {
  size_t count = self->count;
  self->count = 0;
  while (count) Py_DECREF(self->streams[--count]);
}

static int buffer_clear(FrameBuffer *self) {
  drop_streams(self);
  return 0;
}

static int buffer_traverse(FrameBuffer *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  for (size_t i = 0; i < self->count; i++) Py_VISIT(self->streams[i]);
  return 0;
}

static void buffer_dealloc(FrameBuffer *self) {
  PyObject_GC_UnTrack(self);
  PyTypeObject *type = Py_TYPE(self);
  drop_streams(self);
  Py_CLEAR(self->joint);
  free(self->streams);
  free(self->data);
  freefunc free_type = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_type(self);
  Py_DECREF(type);
}

static int make_room(void **data, size_t *room, size_t needed, size_t width) {
  if (needed <= *room) return 0;
  size_t more = *room ? *room : LEAST / width;
  while (more < needed) more *= 2;
  void *moved = realloc(*data, more * width);
  if (!moved) {
    PyErr_NoMemory();
    return -1;
  }
  *data = moved;
  *room = more;
  return 0;
}

char *buffer_extend(FrameBuffer *self, PyObject *stream, size_t size) {
  size_t joint = self->count ? (size_t)PyBytes_Size(self->joint) : 0;
  void *streams = self->streams, *data = self->data;
  int failed = make_room(&streams, &self->streams_room, self->count + 1, sizeof(PyObject *));
  self->streams = streams;
  failed = failed || make_room(&data, &self->room, self->length + joint + size, 1);
  self->data = data;
  if (failed) return NULL;
  if (joint) memcpy(self->data + self->length, PyBytes_AsString(self->joint), joint);
  char *start = self->data + self->length + joint;
  self->length += joint + size;
  Py_INCREF(stream);
  self->streams[self->count++] = stream;
  return start;
}

static PyObject *buffer_append(FrameBuffer *self, PyObject *args) {
  PyObject *stream;
  const char *frame;
  Py_ssize_t size;
  if (!PyArg_ParseTuple(args, "Oy#", &stream, &frame, &size)) return NULL;
  bool is_first = !self->count;
  char *start = buffer_extend(self, stream, (size_t)size);
  if (!start) return NULL;
  memcpy(start, frame, (size_t)size);
  return PyBool_FromLong(is_first);
}

static PyObject *buffer_take(FrameBuffer *self, PyObject *unused) {
  (void)unused;
  PyObject *data = PyBytes_FromStringAndSize(self->data, (Py_ssize_t)self->length);
  PyObject *streams = PyList_New((Py_ssize_t)self->count);
  if (!data || !streams) {
    Py_XDECREF(data);
    Py_XDECREF(streams);
    return NULL;
  }
  for (size_t i = 0; i < self->count; i++)
    PyList_SetItem(streams, (Py_ssize_t)i, self->streams[i]);
  self->count = self->length = 0;
  if (self->room > KEPT) {
    free(self->data);
    self->data = NULL;
    self->room = 0;
  }
  PyObject *taken = PyTuple_Pack(2, data, streams);
  Py_DECREF(data);
  Py_DECREF(streams);
  return taken;
}

static Py_ssize_t buffer_length(FrameBuffer *self) { return (Py_ssize_t)self->count; }

static PyObject *get_joint(FrameBuffer *self, void *unused) {
  (void)unused;
  return Py_NewRef(self->joint);
}

static int set_joint(FrameBuffer *self, PyObject *value, void *unused) {
  (void)unused;
  if (!value || !PyBytes_Check(value)) {
    PyErr_SetString(PyExc_TypeError, "expected bytes");
    return -1;
  }
  Py_INCREF(value);
  Py_XSETREF(self->joint, value);
  return 0;
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)buffer_append, METH_VARARGS, NULL},
    {"take", (PyCFunction)buffer_take, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"joint", (getter)get_joint, (setter)set_joint, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, buffer_new},           {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_traverse, buffer_traverse}, {Py_tp_clear, buffer_clear},
    {Py_tp_methods, methods},          {Py_tp_getset, attributes},
    {Py_sq_length, buffer_length},     {0, NULL},
};

PyType_Spec buffer_spec = {
    .name = "pycawamp.pv.ca._fast._native.FrameBuffer",
    .basicsize = sizeof(FrameBuffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
