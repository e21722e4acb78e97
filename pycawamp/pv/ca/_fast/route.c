/* The type Route: see pycawamp/pv/routes.py for what its methods do. */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

enum { FINAL_TEXT = 0x81 };

struct part { /* constant text, and a field; FIELDS: none */
  size_t length;
  enum field field;
};

struct entry { /* one stream */
  PyObject *cohort, *stream, *touch;
  FrameBuffer *buffer;
  bool is_framed, has_severity;
  long severity; /* of the updates that are written, if it has one */
  char *text;    /* of all parts */
  struct part *parts;
  size_t count, length;
};

struct plan {
  int references; /* a plan may be dropped while it is used */
  unsigned wanted; /* members to render */
  bool has_severity;
  size_t count;
  struct entry entries[];
};

static void plan_release(struct plan *plan) {
  if (!plan || --plan->references) return;
  for (size_t i = 0; i < plan->count; i++) {
    struct entry *entry = &plan->entries[i];
    free(entry->text);
    free(entry->parts);
    Py_XDECREF(entry->cohort);
    Py_XDECREF(entry->stream);
    Py_XDECREF(entry->touch);
    Py_XDECREF((PyObject *)entry->buffer);
  }
  free(plan);
}

/* Adds constant text, or a field, to an entry. */
static int add_part(struct entry *entry, PyObject *item) {
  struct part *part = &entry->parts[entry->count];
  if (PyBytes_Check(item)) {
    size_t more = (size_t)PyBytes_Size(item), length = entry->length + more;
    char *text = realloc(entry->text, length + 1);
    if (!text) {
      PyErr_NoMemory();
      return -1;
    }
    memcpy(text + entry->length, PyBytes_AsString(item), more);
    entry->text = text;
    entry->length = length;
    part->length += more;
    return 0;
  }
  long field = PyLong_AsLong(item);
  if (field < 0 || field >= FIELDS) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "no field");
    return -1;
  }
  part->field = (enum field)field;
  entry->count++;
  return 0;
}

static int add_parts(struct entry *entry, PyObject *items) {
  Py_ssize_t count = PyTuple_Size(items);
  entry->parts = calloc((size_t)count + 1, sizeof *entry->parts);
  if (!entry->parts) {
    PyErr_NoMemory();
    return -1;
  }
  for (Py_ssize_t i = 0; i < count; i++)
    if (add_part(entry, PyTuple_GetItem(items, i))) return -1;
  entry->parts[entry->count++].field = FIELDS;
  return 0;
}

static unsigned wanted_by(const struct entry *entry) {
  unsigned wanted = 0;
  for (size_t i = 0; i < entry->count; i++) {
    enum field field = entry->parts[i].field;
    if (field == SCALAR)
      wanted |= WITH_SCALAR;
    else if (field < FIELDS)
      wanted |= WITH_TEXT | (field == ALARM ? WITH_ALARM : 0);
  }
  return wanted;
}

/* Fills an entry from a tuple: see DirectStream in pv/routes.py. */
static int fill(struct entry *entry, PyObject *item, PyTypeObject *buffer_type) {
  PyObject *cohort, *buffer, *stream, *touch, *parts, *severity;
  int is_framed;
  if (!PyArg_ParseTuple(item, "OO!OOpO!O", &cohort, buffer_type, &buffer, &stream, &touch,
                        &is_framed, &PyTuple_Type, &parts, &severity))
    return -1;
  entry->has_severity = severity != Py_None;
  entry->severity = entry->has_severity ? PyLong_AsLong(severity) : 0;
  if (PyErr_Occurred() || add_parts(entry, parts)) {
    free(entry->text);
    free(entry->parts);
    return -1;
  }
  entry->is_framed = is_framed;
  entry->cohort = Py_NewRef(cohort);
  entry->buffer = (FrameBuffer *)Py_NewRef(buffer);
  entry->stream = Py_NewRef(stream);
  entry->touch = Py_NewRef(touch);
  return 0;
}

static struct plan *plan_new(PyObject *items, PyTypeObject *buffer_type) {
  Py_ssize_t count = PyList_Size(items);
  if (count < 0) return NULL;
  struct plan *plan = calloc(1, sizeof *plan + (size_t)count * sizeof *plan->entries);
  if (!plan) {
    PyErr_NoMemory();
    return NULL;
  }
  plan->references = 1;
  for (; plan->count < (size_t)count; plan->count++) {
    struct entry *entry = &plan->entries[plan->count];
    if (fill(entry, PyList_GetItem(items, (Py_ssize_t)plan->count), buffer_type)) {
      plan_release(plan);
      return NULL;
    }
    plan->wanted |= wanted_by(entry);
    plan->has_severity |= entry->has_severity;
  }
  return plan;
}

static void forget_plan(Route *self) {
  struct plan *plan = self->plan;
  self->plan = NULL;
  self->state = UNKNOWN;
  plan_release(plan);
}

int route_plan(Route *self) {
  if (self->state != UNKNOWN) return 0;
  self->state = PYTHON;
  if (!self->planner) return 0;
  PyObject *items = PyObject_CallMethod(self->planner, "direct_streams", NULL);
  if (!items) return -1;
  if (items != Py_None && self->state == PYTHON) {
    struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
    self->plan = native ? plan_new(items, native->buffer_type) : NULL;
    if (self->plan) self->state = DIRECT;
  }
  Py_DECREF(items);
  return PyErr_Occurred() ? -1 : 0;
}

static size_t put_header(char *header, size_t size) {
  header[0] = (char)FINAL_TEXT;
  size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  header[1] = (char)(bytes == 0 ? size : bytes == 2 ? 126 : 127);
  for (size_t i = 0; i < bytes; i++) header[2 + i] = (char)(size >> 8 * (bytes - 1 - i));
  return 2 + bytes;
}

static char *put(char *out, const char *text, size_t length) {
  memcpy(out, text, length);
  return out + length;
}

static int send_entry(const struct entry *entry, const struct rendered *rendered) {
  const struct part *end = entry->parts + entry->count;
  size_t size = entry->length;
  for (const struct part *part = entry->parts; part < end; part++)
    size += rendered->fields[part->field].length;
  char header[10];
  size_t header_length = entry->is_framed ? put_header(header, size) : 0;
  char *out = buffer_extend(entry->buffer, entry->stream, header_length + size);
  if (!out) return -1;
  const char *text = entry->text;
  out = put(out, header, header_length);
  for (const struct part *part = entry->parts; part < end; part++) {
    out = put(out, text, part->length);
    text += part->length;
    out = put(out, rendered->fields[part->field].text, rendered->fields[part->field].length);
  }
  if (entry->buffer->count > 1) return 0;
  /* The first frame of this flush cycle. */
  PyObject *result = PyObject_CallFunctionObjArgs(entry->touch, entry->cohort, NULL);
  Py_XDECREF(result);
  return result ? 0 : -1;
}

static int keep(Route *self, const char *raw) {
  struct numeric number;
  if (!self->history || !read_number(self->type, raw, &number)) return 0;
  History *history = (History *)Py_NewRef((PyObject *)self->history);
  int failed = history_push(history, number.value, (uint32_t)number.seconds, number.nanoseconds,
                            number.severity);
  Py_DECREF((PyObject *)history);
  return failed;
}

/* Whether all entries write updates of a severity. */
static bool takes(const struct plan *plan, int16_t severity) {
  for (size_t i = 0; plan->has_severity && i < plan->count; i++)
    if (plan->entries[i].has_severity && plan->entries[i].severity != severity) return false;
  return true;
}

int route_send(Route *self, const char *raw, size_t size) {
  struct rendered rendered;
  if (self->state != DIRECT) return 0;
  if (!render(self->type, raw, size, self->plan->wanted, &rendered) ||
      !takes(self->plan, rendered.severity)) {
    /* After it, the plan may be for updates of another severity. */
    if (self->plan->has_severity) forget_plan(self);
    return 0;
  }
  self->direct++;
  self->raw_size = size;
  memcpy(self->raw, raw, size);
  struct plan *plan = self->plan;
  plan->references++;
  int failed = keep(self, raw);
  for (size_t i = 0; i < plan->count && !failed; i++)
    failed = send_entry(&plan->entries[i], &rendered);
  plan_release(plan);
  return failed ? -1 : 1;
}

/* The type */

static PyObject *route_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  int field_type;
  PyObject *planner, *decode;
  if (!PyArg_ParseTuple(args, "iOO", &field_type, &planner, &decode)) return NULL;
  if (field_type < 0 || field_type >= FIELD_TYPES) {
    PyErr_SetString(PyExc_ValueError, "no field type");
    return NULL;
  }
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Route *self = (Route *)allocate(type, 0);
  if (!self) return NULL;
  self->type = (enum field_type)field_type;
  self->planner = Py_NewRef(planner);
  self->decode = Py_NewRef(decode);
  return (PyObject *)self;
}

static int route_traverse(Route *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->planner);
  Py_VISIT(self->decode);
  Py_VISIT((PyObject *)self->history);
  /* A plan that is being used has another reference. */
  for (size_t i = 0; self->plan && self->plan->references == 1 && i < self->plan->count; i++) {
    Py_VISIT(self->plan->entries[i].cohort);
    Py_VISIT(self->plan->entries[i].stream);
    Py_VISIT(self->plan->entries[i].touch);
    Py_VISIT(self->plan->entries[i].buffer);
  }
  return 0;
}

static int route_tp_clear(Route *self) {
  forget_plan(self);
  Py_CLEAR(self->planner);
  Py_CLEAR(self->decode);
  Py_CLEAR(self->history);
  return 0;
}

static void route_dealloc(Route *self) {
  PyObject_GC_UnTrack(self);
  PyTypeObject *type = Py_TYPE(self);
  route_tp_clear(self);
  freefunc free_type = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_type(self);
  Py_DECREF(type);
}

static PyObject *route_clear(Route *self, PyObject *unused) {
  (void)unused;
  forget_plan(self);
  Py_RETURN_NONE;
}

static struct entry *entry_of(struct plan *plan, PyObject *stream) {
  for (size_t i = 0; i < plan->count; i++)
    if (plan->entries[i].stream == stream) return &plan->entries[i];
  return NULL;
}

static PyObject *route_redirect(Route *self, PyObject *args) {
  PyObject *stream, *cohort;
  if (!PyArg_ParseTuple(args, "OO", &stream, &cohort)) return NULL;
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  PyObject *buffer = native ? PyObject_GetAttrString(cohort, "buffer") : NULL;
  if (!buffer) return NULL;
  if (!self->plan || self->plan->references > 1 ||
      !PyObject_TypeCheck(buffer, native->buffer_type)) {
    Py_DECREF(buffer);
    return route_clear(self, NULL);
  }
  struct entry *entry = entry_of(self->plan, stream);
  if (!entry) { /* It gets no updates now. */
    Py_DECREF(buffer);
    Py_RETURN_NONE;
  }
  PyObject *old_cohort = entry->cohort, *old_buffer = (PyObject *)entry->buffer;
  entry->cohort = Py_NewRef(cohort);
  entry->buffer = (FrameBuffer *)buffer;
  Py_DECREF(old_cohort);
  Py_DECREF(old_buffer);
  Py_RETURN_NONE;
}

static PyObject *route_close(Route *self, PyObject *unused) {
  (void)unused;
  forget_plan(self);
  Py_CLEAR(self->planner);
  Py_RETURN_NONE;
}

static PyObject *route_take_newest(Route *self, PyObject *unused) {
  (void)unused;
  if (!self->raw_size) Py_RETURN_NONE;
  PyObject *raw = PyBytes_FromStringAndSize(self->raw, (Py_ssize_t)self->raw_size);
  self->raw_size = 0;
  if (!raw) return NULL;
  PyObject *reading = PyObject_CallFunctionObjArgs(self->decode, raw, NULL);
  Py_DECREF(raw);
  return reading;
}

static PyObject *route_forget_newest(Route *self, PyObject *unused) {
  (void)unused;
  self->raw_size = 0;
  Py_RETURN_NONE;
}

static PyObject *route_keep(Route *self, PyObject *history) {
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  if (!native) return NULL;
  if (!PyObject_TypeCheck(history, native->history_type)) {
    PyErr_SetString(PyExc_TypeError, "expected a compiled History");
    return NULL;
  }
  Py_INCREF(history);
  Py_XSETREF(self->history, (History *)history);
  Py_RETURN_NONE;
}

static PyObject *get_is_direct(Route *self, void *unused) {
  (void)unused;
  return PyBool_FromLong(self->state == DIRECT);
}

static PyObject *get_direct(Route *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(self->direct);
}

static PyMethodDef methods[] = {
    {"clear", (PyCFunction)route_clear, METH_NOARGS, NULL},
    {"close", (PyCFunction)route_close, METH_NOARGS, NULL},
    {"redirect", (PyCFunction)route_redirect, METH_VARARGS, NULL},
    {"keep", (PyCFunction)route_keep, METH_O, NULL},
    {"take_newest", (PyCFunction)route_take_newest, METH_NOARGS, NULL},
    {"forget_newest", (PyCFunction)route_forget_newest, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"is_direct", (getter)get_is_direct, NULL, NULL, NULL},
    {"direct", (getter)get_direct, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, route_new},           {Py_tp_dealloc, route_dealloc},
    {Py_tp_traverse, route_traverse}, {Py_tp_clear, route_tp_clear},
    {Py_tp_methods, methods},         {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec route_spec = {
    .name = "pycawamp.pv.ca._fast._native.Route",
    .basicsize = sizeof(Route),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
