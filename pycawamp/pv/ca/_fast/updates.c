/* The types Updates, Form and Direct: see pycawamp/pv/direct.py for what their methods do. */
#include "updates.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "intake.h"
#include "render.h"

enum { MAGIC = 0xca, FROM_SERVER = 0x40, MONITOR = 13, HEADER_SIZE = 8 };
enum {
  OPERATION_SIZE = 5, /* number and subcommand */
  SHORT_SIZE = 254,   /* sizes from here on take more than a byte */
  MAX_BITS = 15,     /* bytes */
  MAX_LEAVES = 24,
  MAX_PLANS = 8,
  SEVERITIES = 4,
};

/* Form: the layout of updates of a type */

struct leaf {
  char code;  /* as in Python's struct; s: a string */
  char field; /* of `struct state`; -: none */
};

struct plan {
  unsigned char bits[MAX_BITS + 1]; /* after their size */
  size_t bits_length, length;
  struct leaf leaves[MAX_LEAVES];
};

typedef struct {
  PyObject_HEAD
  char code; /* of the value */
  enum field_type type;
  size_t plans_length, next;
  struct plan plans[MAX_PLANS];
} Form;

/* The values of the leaves of a channel. */
struct state {
  int64_t severity, status, seconds, nanoseconds, whole;
  double number;
  int message; /* a status of Channel Access; NO_MESSAGE: empty */
};
enum { NO_MESSAGE = -1 };

static bool is_floating(const Form *form) { return form->code == 'd' || form->code == 'f'; }

static uint64_t little(const unsigned char *at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; i++) number |= (uint64_t)at[i] << 8 * i;
  return number;
}

static size_t size_of(char code) {
  switch (code) {
    case '?': case 'b': case 'B': return 1;
    case 'h': case 'H': return 2;
    case 'i': case 'I': case 'f': return 4;
    case 'q': case 'Q': case 'd': return 8;
    default: return 0;
  }
}

static int64_t whole_of(char code, uint64_t raw) {
  switch (code) {
    case 'b': return (int8_t)raw;
    case 'h': return (int16_t)raw;
    case 'i': return (int32_t)raw;
    default: return (int64_t)raw;
  }
}

static double number_of(char code, uint64_t raw) {
  double wide;
  float narrow;
  uint32_t half = (uint32_t)raw;
  memcpy(&wide, &raw, sizeof wide);
  memcpy(&narrow, &half, sizeof narrow);
  return code == 'f' ? narrow : wide;
}

static bool set_field(const Form *form, struct leaf leaf, uint64_t raw, struct state *state) {
  if (leaf.field == '-') return true;
  if (leaf.field == 'v' && is_floating(form)) {
    state->number = number_of(leaf.code, raw);
    return true;
  }
  if (leaf.code == 'Q' && raw > INT64_MAX) return false;
  int64_t whole = whole_of(leaf.code, raw);
  switch (leaf.field) {
    case 'v': state->whole = whole; return true;
    case 'a': state->severity = whole; return true;
    case 't': state->status = whole; return true;
    case 's': state->seconds = whole; return true;
    case 'n': state->nanoseconds = whole; return true;
    default: return false;
  }
}

static bool set_message(const unsigned char *text, size_t length, struct state *state) {
  state->message = length ? status_number((const char *)text, length) : NO_MESSAGE;
  return !length || state->message >= 0;
}

static const struct plan *find_plan(const Form *form, const unsigned char *at, size_t left) {
  for (size_t i = 0; i < form->plans_length; i++) {
    const struct plan *plan = &form->plans[i];
    if (plan->bits_length <= left && !memcmp(plan->bits, at, plan->bits_length)) return plan;
  }
  return NULL;
}

/* Decodes the leaves of an update; false if Python has to. */
static bool decode(const Form *form, const unsigned char *at, size_t left, struct state *state) {
  const struct plan *plan = find_plan(form, at, left);
  if (!plan) return false;
  const unsigned char *end = at + left;
  at += plan->bits_length;
  for (size_t i = 0; i < plan->length; i++) {
    struct leaf leaf = plan->leaves[i];
    bool is_text = leaf.code == 's';
    if (is_text && (at == end || *at >= SHORT_SIZE)) return false;
    size_t size = is_text ? *at++ : size_of(leaf.code);
    if (size > (size_t)(end - at)) return false;
    if (!is_text && !set_field(form, leaf, little(at, size), state)) return false;
    if (is_text && leaf.field == 'm' && !set_message(at, size, state)) return false;
    at += size;
  }
  /* Then no updates were left out. */
  return end - at == 1 && !*at;
}

/* Writes DBR_TIME bytes; returns their number, 0 if there is no equivalent. */
static size_t compose(const Form *form, const struct state *state, char *raw) {
  int status = state->message == NO_MESSAGE ? 0 : state->message;
  if (state->message == NO_MESSAGE && state->status) return 0;
  if (state->severity < 0 || state->severity >= SEVERITIES) return 0;
  if (state->seconds < EPICS_EPOCH || state->seconds - EPICS_EPOCH > UINT32_MAX) return 0;
  if (state->nanoseconds < 0 || state->nanoseconds >= NANOSECONDS) return 0;
  struct numeric number = {state->number, (uint64_t)state->seconds, (uint32_t)state->nanoseconds,
                           (unsigned)state->severity};
  if (!is_floating(form)) {
    if (state->whole < INT32_MIN || state->whole > INT32_MAX) return 0;
    number.value = (double)state->whole;
  }
  return write_number(form->type, &number, status, raw);
}

static PyObject *form_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  int code;
  if (!PyArg_ParseTuple(args, "C", &code)) return NULL;
  if (code == '?' || code > 'z' || !size_of((char)code)) {
    PyErr_SetString(PyExc_ValueError, "no code of a number");
    return NULL;
  }
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Form *self = (Form *)allocate(type, 0);
  if (!self) return NULL;
  self->code = (char)code;
  self->type = code == 'd' ? DOUBLE : code == 'f' ? FLOAT : LONG;
  return (PyObject *)self;
}

static void plain_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  freefunc free_type = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_type(self);
  Py_DECREF(type);
}

static PyObject *form_add(Form *self, PyObject *args) {
  const char *bits, *leaves;
  Py_ssize_t bits_length, length;
  if (!PyArg_ParseTuple(args, "y#y#", &bits, &bits_length, &leaves, &length)) return NULL;
  if (bits_length > MAX_BITS || length > 2 * MAX_LEAVES || length % 2) Py_RETURN_FALSE;
  struct plan plan;
  memset(&plan, 0, sizeof plan);
  plan.bits[0] = (unsigned char)bits_length;
  memcpy(plan.bits + 1, bits, (size_t)bits_length);
  plan.bits_length = (size_t)bits_length + 1;
  plan.length = (size_t)length / 2;
  for (size_t i = 0; i < plan.length; i++) {
    plan.leaves[i] = (struct leaf){leaves[2 * i], leaves[2 * i + 1]};
    if (plan.leaves[i].code != 's' && !size_of(plan.leaves[i].code)) Py_RETURN_FALSE;
  }
  if (find_plan(self, plan.bits, plan.bits_length)) Py_RETURN_TRUE;
  /* The oldest one is dropped. */
  self->plans[self->next] = plan;
  self->next = (self->next + 1) % MAX_PLANS;
  if (self->plans_length < MAX_PLANS) self->plans_length++;
  Py_RETURN_TRUE;
}

static PyObject *value_object(const Form *form, double number, int64_t whole) {
  return is_floating(form) ? PyFloat_FromDouble(number) : PyLong_FromLongLong(whole);
}

static PyObject *form_fields(Form *self, PyObject *raw) {
  struct numeric number;
  char *bytes;
  Py_ssize_t size;
  int status;
  if (PyBytes_AsStringAndSize(raw, &bytes, &size)) return NULL;
  if ((size_t)size != render_size(self->type) || !read_number(self->type, bytes, &number)) {
    PyErr_SetString(PyExc_ValueError, "no number");
    return NULL;
  }
  status = read_status(bytes);
  PyObject *value = value_object(self, number.value, (int64_t)number.value);
  return value ? Py_BuildValue("iIKIN", status, number.severity, (unsigned long long)number.seconds,
                               number.nanoseconds, value)
               : NULL;
}

static PyObject *get_type(Form *self, void *unused) {
  (void)unused;
  return PyLong_FromLong(self->type);
}

static PyMethodDef form_methods[] = {
    {"add", (PyCFunction)form_add, METH_VARARGS, NULL},
    {"fields", (PyCFunction)form_fields, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef form_attributes[] = {
    {"type", (getter)get_type, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot form_slots[] = {
    {Py_tp_new, form_new},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_methods, form_methods},
    {Py_tp_getset, form_attributes},
    {0, NULL},
};

PyType_Spec form_spec = {
    .name = "pycawamp.pv.ca._fast._native.Form",
    .basicsize = sizeof(Form),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = form_slots,
};

/* Direct: one monitor */

typedef struct {
  PyObject_HEAD
  Form *form;
  uint64_t subscription;
  unsigned count, most; /* updates that were not acknowledged, and those that are at once */
  unsigned held;        /* messages that Python has to handle first */
  bool is_armed, has_changed;
  struct state state;
} Direct;

static void direct_dealloc(Direct *self) {
  Py_XDECREF((PyObject *)self->form);
  plain_dealloc((PyObject *)self);
}

static PyObject *direct_take(Direct *self, PyObject *unused) {
  (void)unused;
  unsigned count = self->count;
  self->count = 0;
  if (!self->has_changed) return Py_BuildValue("IO", count, Py_None);
  self->has_changed = false;
  const struct state *state = &self->state;
  PyObject *value = value_object(self->form, state->number, state->whole);
  if (!value) return NULL;
  return Py_BuildValue("I(LLsLLN)", count, (long long)state->severity, (long long)state->status,
                       state->message == NO_MESSAGE ? "" : status_name(state->message),
                       (long long)state->seconds, (long long)state->nanoseconds, value);
}

/* False, possibly with an exception set, if they are not a valid state. */
static bool read_state(const Form *form, PyObject *fields, struct state *state) {
  long long severity, status, seconds, nanoseconds;
  const char *message;
  PyObject *value;
  char raw[INLINE_BYTES];
  if (!PyArg_ParseTuple(fields, "LLsLLO", &severity, &status, &message, &seconds, &nanoseconds,
                        &value))
    return false;
  *state = (struct state){severity, status, seconds, nanoseconds, 0, 0, NO_MESSAGE};
  if (is_floating(form))
    state->number = PyFloat_AsDouble(value);
  else
    state->whole = PyLong_AsLongLong(value);
  return !PyErr_Occurred() &&
         set_message((const unsigned char *)message, strlen(message), state) &&
         compose(form, state, raw);
}

static PyObject *direct_release(Direct *self, PyObject *args) {
  unsigned count;
  PyObject *fields;
  if (!PyArg_ParseTuple(args, "IO", &count, &fields)) return NULL;
  self->count = count;
  if (self->held) self->held--;
  self->is_armed = fields != Py_None && read_state(self->form, fields, &self->state);
  /* A state that Channel Access cannot represent is left to Python. */
  PyErr_Clear();
  Py_RETURN_NONE;
}

static PyObject *direct_disarm(Direct *self, PyObject *unused) {
  (void)unused;
  self->is_armed = false;
  Py_RETURN_NONE;
}

static PyObject *get_count(Direct *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLong(self->count);
}

static PyMethodDef direct_methods[] = {
    {"take", (PyCFunction)direct_take, METH_NOARGS, NULL},
    {"release", (PyCFunction)direct_release, METH_VARARGS, NULL},
    {"disarm", (PyCFunction)direct_disarm, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef direct_attributes[] = {
    {"count", (getter)get_count, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot direct_slots[] = {
    {Py_tp_dealloc, direct_dealloc},
    {Py_tp_methods, direct_methods},
    {Py_tp_getset, direct_attributes},
    {0, NULL},
};

PyType_Spec direct_spec = {
    .name = "pycawamp.pv.ca._fast._native.Direct",
    .basicsize = sizeof(Direct),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = direct_slots,
};

/* Updates: one connection */

typedef struct {
  PyObject_HEAD
  PyObject *intake;
  PyObject *directs; /* by the numbers of their operations */
  PyObject *due;     /* numbers of those to be acknowledged */
} Updates;

PyObject *updates_make(PyTypeObject *type, PyObject *intake) {
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Updates *self = (Updates *)allocate(type, 0);
  if (!self) return NULL;
  self->intake = Py_NewRef(intake);
  self->directs = PyDict_New();
  self->due = PyList_New(0);
  if (!self->directs || !self->due) Py_CLEAR(self);
  return (PyObject *)self;
}

static int updates_traverse(Updates *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->intake);
  Py_VISIT(self->directs);
  Py_VISIT(self->due);
  return 0;
}

static int updates_tp_clear(Updates *self) {
  Py_CLEAR(self->intake);
  Py_CLEAR(self->directs);
  Py_CLEAR(self->due);
  return 0;
}

static void updates_dealloc(Updates *self) {
  PyObject_GC_UnTrack(self);
  updates_tp_clear(self);
  plain_dealloc((PyObject *)self);
}

static PyObject *updates_listen(Updates *self, PyObject *args) {
  PyObject *number, *form;
  unsigned long long subscription;
  unsigned most;
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  if (!native || !PyArg_ParseTuple(args, "OO!KI", &number, native->form_type, &form, &subscription,
                                   &most))
    return NULL;
  allocfunc allocate = (allocfunc)PyType_GetSlot(native->direct_type, Py_tp_alloc);
  Direct *made = (Direct *)allocate(native->direct_type, 0);
  if (!made) return NULL;
  made->form = (Form *)Py_NewRef(form);
  made->subscription = subscription;
  made->most = most;
  if (PyDict_SetItem(self->directs, number, (PyObject *)made)) Py_CLEAR(made);
  return (PyObject *)made;
}

static PyObject *updates_forget(Updates *self, PyObject *number) {
  if (PyDict_GetItemWithError(self->directs, number)) {
    if (PyDict_DelItem(self->directs, number)) return NULL;
  } else if (PyErr_Occurred()) {
    return NULL;
  }
  Py_RETURN_NONE;
}

/* Has Python handle a message of a monitor before all that follow. */
static PyObject *updates_hold(Updates *self, PyObject *number) {
  Direct *direct = (Direct *)PyDict_GetItemWithError(self->directs, number);
  if (direct) direct->held++;
  return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* 1 if the update waits in the queue, 0 if Python has to handle it, -1 with an exception set. */
static int post(struct events *events, Direct *direct, const unsigned char *at, size_t left) {
  if (!direct->is_armed || direct->held) return 0;
  struct state state = direct->state;
  if (!decode(direct->form, at, left, &state)) return 0;
  char raw[INLINE_BYTES];
  size_t size = compose(direct->form, &state, raw);
  if (!size) return 0;
  direct->state = state;
  direct->has_changed = true;
  events_post(events, direct->subscription, raw, size);
  return 1;
}

static int take_update(Updates *self, struct events *events, const unsigned char *payload,
                       size_t length) {
  if (length < OPERATION_SIZE) return 0;
  PyObject *number = PyLong_FromUnsignedLongLong(little(payload, 4));
  if (!number) return -1;
  int result = 0;
  Direct *direct = (Direct *)PyDict_GetItemWithError(self->directs, number);
  if (direct && !payload[4])
    result = post(events, direct, payload + OPERATION_SIZE, length - OPERATION_SIZE);
  if (direct && !result) direct->held++;
  if (result && ++direct->count >= direct->most) {
    direct->count = 0;
    if (PyList_Append(self->due, number)) result = -1;
  }
  Py_DECREF(number);
  return PyErr_Occurred() ? -1 : result;
}

static PyObject *updates_take(Updates *self, PyObject *args) {
  const char *data;
  Py_ssize_t size, position;
  if (!PyArg_ParseTuple(args, "y#n", &data, &size, &position)) return NULL;
  struct events *events = intake_events(self->intake);
  while (events && position >= 0 && size - position >= HEADER_SIZE) {
    const unsigned char *head = (const unsigned char *)data + position;
    if (head[0] != MAGIC || !head[1] || head[2] != FROM_SERVER || head[3] != MONITOR) break;
    size_t length = little(head + 4, 4);
    if (length > (size_t)(size - position - HEADER_SIZE)) break;
    int taken = take_update(self, events, head + HEADER_SIZE, length);
    if (taken < 0) return NULL;
    if (!taken) break;
    position += HEADER_SIZE + (Py_ssize_t)length;
  }
  return PyLong_FromSsize_t(position);
}

static PyObject *updates_take_due(Updates *self, PyObject *unused) {
  (void)unused;
  PyObject *empty = PyList_New(0);
  if (!empty) return NULL;
  PyObject *due = self->due;
  self->due = empty;
  return due;
}

static PyMethodDef methods[] = {
    {"listen", (PyCFunction)updates_listen, METH_VARARGS, NULL},
    {"forget", (PyCFunction)updates_forget, METH_O, NULL},
    {"hold", (PyCFunction)updates_hold, METH_O, NULL},
    {"take", (PyCFunction)updates_take, METH_VARARGS, NULL},
    {"take_due", (PyCFunction)updates_take_due, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, updates_dealloc}, {Py_tp_traverse, updates_traverse},
    {Py_tp_clear, updates_tp_clear},  {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec updates_spec = {
    .name = "pycawamp.pv.ca._fast._native.Updates",
    .basicsize = sizeof(Updates),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
