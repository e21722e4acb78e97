/* The type Intake: see pycawamp/pv/intake.py for what its methods do. */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "events.h"
#include "intake.h"
#include "route.h"
#include "scalars.h"
#include "updates.h"

enum {
  BATCH = 32,   /* nodes between two checks of the time */
  SLOW = 4096,  /* bytes of an event that may take as long as many others */
  OBJECTS = 3,  /* references of a subscription */
};

typedef struct {
  PyObject_HEAD
  struct events events;
  bool closed;
  PyObject *wake, *failed;
  PyObject *receive; /* the name of the listeners' method */
  PyObject *late; /* handler: where its update is in the overflow */
} Intake;

struct place { /* a value of `late` */
  uint64_t overflow_number;
  struct node *node;
};

struct events *intake_events(PyObject *intake) {
  Intake *self = (Intake *)intake;
  return self->closed ? NULL : &self->events;
}

/* Life */

static PyObject *intake_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"events", "bytes", NULL};
  Py_ssize_t events, bytes;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "nn", names, &events, &bytes)) return NULL;
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Intake *self = (Intake *)allocate(type, 0);
  if (!self) return NULL;
  self->events.wake = -1;
  self->events.most_events = (size_t)events;
  self->events.most_bytes = (size_t)bytes;
  self->late = PyDict_New();
  self->receive = PyUnicode_InternFromString("receive");
  if (!self->late || !self->receive) Py_CLEAR(self);
  return (PyObject *)self;
}

/* Takes the references of a subscription that are not needed any more; with the lock. */
static size_t retire(Intake *self, struct subscription *subscription, PyObject **objects) {
  if (subscription->live || subscription->waiting || !subscription->listener) return 0;
  objects[0] = subscription->listener;
  objects[1] = subscription->refuse;
  objects[2] = subscription->route;
  subscription->listener = subscription->refuse = subscription->route = NULL;
  subscription_free(&self->events, subscription);
  return OBJECTS;
}

static void release(PyObject **objects, size_t length) {
  while (length) Py_XDECREF(objects[--length]);
}

/* Frees nodes whose objects were released, and the subscriptions that waited for that. */
static void free_nodes(Intake *self, struct node *node) {
  while (node) {
    PyObject *objects[BATCH * OBJECTS];
    size_t length = 0;
    events_lock();
    for (int i = 0; i < BATCH && node; i++) {
      struct node *next = node->next;
      self->events.bytes -= node->size;
      if (node->subscription) {
        node->subscription->waiting--;
        length += retire(self, node->subscription, objects + length);
      }
      events_free_node(&self->events, node);
      node = next;
    }
    events_unlock();
    release(objects, length);
  }
}

static void drop_list(Intake *self, struct list list) {
  for (struct node *node = list.first; node; node = node->next) {
    Py_CLEAR(*(PyObject **)&node->handler);
    Py_CLEAR(*(PyObject **)&node->news);
  }
  free_nodes(self, list.first);
}

static void end_subscriptions(Intake *self) {
  struct subscriptions *them = &self->events.subscriptions;
  for (uint32_t index = 0; index < them->made; index++) {
    PyObject *objects[OBJECTS];
    events_lock();
    them->all[index]->live = false;
    size_t length = retire(self, them->all[index], objects);
    events_unlock();
    release(objects, length);
  }
}

static void close_intake(Intake *self) {
  self->closed = true;
  events_lock();
  events_delist(&self->events);
  struct list queue = self->events.queue, overflow = self->events.overflow;
  self->events.queue = self->events.overflow = (struct list){0};
  self->events.overflowing = false;
  int wake = self->events.wake;
  self->events.wake = -1;
  events_unlock();
  if (wake >= 0) close(wake);
  PyDict_Clear(self->late);
  drop_list(self, queue);
  drop_list(self, overflow);
  end_subscriptions(self);
}

static int intake_traverse(Intake *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->wake);
  Py_VISIT(self->failed);
  Py_VISIT(self->late);
  int result = 0;
  events_lock();
  const struct list *lists[] = {&self->events.queue, &self->events.overflow};
  for (int i = 0; i < 2; i++) {
    for (struct node *node = lists[i]->first; node && !result; node = node->next) {
      if (node->handler) result = visit(node->handler, arg);
      if (node->news && !result) result = visit(node->news, arg);
    }
  }
  struct subscriptions *them = &self->events.subscriptions;
  for (uint32_t index = 0; index < them->made && !result; index++) {
    struct subscription *each = them->all[index];
    PyObject *objects[OBJECTS] = {each->listener, each->refuse, each->route};
    for (int i = 0; i < OBJECTS && !result; i++)
      if (objects[i]) result = visit(objects[i], arg);
  }
  events_unlock();
  return result;
}

static int intake_clear(Intake *self) {
  if (self->late) close_intake(self);
  Py_CLEAR(self->wake);
  Py_CLEAR(self->failed);
  return 0;
}

static void intake_dealloc(Intake *self) {
  PyObject_GC_UnTrack(self);
  PyTypeObject *type = Py_TYPE(self);
  intake_clear(self);
  Py_CLEAR(self->late);
  Py_CLEAR(self->receive);
  events_lock();
  events_free_spares(&self->events);
  events_unlock();
  struct subscriptions *them = &self->events.subscriptions;
  for (uint32_t index = 0; index < them->made; index++) free(them->all[index]);
  free(them->all);
  free(them->unused);
  freefunc free_type = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_type(self);
  Py_DECREF(type);
}

static PyObject *intake_attach(Intake *self, PyObject *args) {
  PyObject *wake, *failed;
  if (!PyArg_ParseTuple(args, "OO", &wake, &failed)) return NULL;
  Py_INCREF(wake);
  Py_INCREF(failed);
  Py_XSETREF(self->wake, wake);
  Py_XSETREF(self->failed, failed);
  Py_RETURN_NONE;
}

static PyObject *intake_open(Intake *self, PyObject *unused) {
  (void)unused;
  if (self->closed) {
    PyErr_SetString(PyExc_ValueError, "it is closed");
    return NULL;
  }
  if (self->events.wake < 0) {
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake < 0) return PyErr_SetFromErrno(PyExc_OSError);
    events_lock();
    self->events.wake = wake;
    events_unlock();
  }
  return PyLong_FromLong(self->events.wake);
}

static PyObject *intake_acknowledge(Intake *self, PyObject *unused) {
  (void)unused;
  uint64_t count;
  if (self->events.wake >= 0 && read(self->events.wake, &count, sizeof count) < 0 &&
      errno != EAGAIN && errno != EINTR)
    return PyErr_SetFromErrno(PyExc_OSError);
  Py_RETURN_NONE;
}

static PyObject *intake_close(Intake *self, PyObject *unused) {
  (void)unused;
  close_intake(self);
  Py_RETURN_NONE;
}

/* Events posted by Python */

static struct node *new_call(Intake *self, enum kind kind, PyObject *handler, PyObject *news) {
  struct node *node = events_new_node(&self->events, kind);
  if (!node) return NULL;
  Py_INCREF(handler);
  Py_INCREF(news);
  node->handler = handler;
  node->news = news;
  return node;
}

/* The end of a post, with the lock held. */
static PyObject *posted(Intake *self, struct node *node) {
  bool asleep = node && events_wake(&self->events);
  events_unlock();
  if (!node) return PyErr_NoMemory();
  return asleep && self->wake ? PyObject_CallFunctionObjArgs(self->wake, NULL) : Py_NewRef(Py_None);
}

static PyObject *intake_post(Intake *self, PyObject *args) {
  PyObject *handler, *news;
  Py_ssize_t size = 0;
  if (!PyArg_ParseTuple(args, "OO|n", &handler, &news, &size)) return NULL;
  if (size < 0) {
    PyErr_SetString(PyExc_ValueError, "expected a number of bytes");
    return NULL;
  }
  if (self->closed) Py_RETURN_NONE;
  events_lock();
  struct node *node = new_call(self, CALL, handler, news);
  if (node) {
    node->size = (size_t)size;
    self->events.bytes += node->size;
    events_push(&self->events, node);
  }
  return posted(self, node);
}

/* Finds the update of a handler that waits in the overflow; never called with the lock. */
static int find_late(Intake *self, PyObject *handler, struct place *place) {
  PyObject *found = PyDict_GetItemWithError(self->late, handler);
  if (!found) {
    *place = (struct place){0};
    return PyErr_Occurred() ? -1 : 0;
  }
  memcpy(place, PyBytes_AsString(found), sizeof *place);
  return 0;
}

static int note_late(Intake *self, PyObject *handler, const struct place *place) {
  PyObject *bytes = PyBytes_FromStringAndSize((const char *)place, sizeof *place);
  int result = bytes ? PyDict_SetItem(self->late, handler, bytes) : -1;
  Py_XDECREF(bytes);
  return result;
}

static PyObject *intake_post_update(Intake *self, PyObject *args) {
  PyObject *handler, *news, *replaced[2] = {NULL, NULL};
  if (!PyArg_ParseTuple(args, "OO", &handler, &news)) return NULL;
  Py_ssize_t size = PyObject_Size(news);
  struct place place;
  if (size < 0 || find_late(self, handler, &place)) return NULL;
  if (self->closed) Py_RETURN_NONE;
  /* From here to `posted`, Python's lock is held too, so no other thread posts or works. */
  struct events *events = &self->events;
  events_lock();
  struct node *node = new_call(self, UPDATE, handler, news);
  if (node) {
    node->size = (size_t)size;
    events->bytes += node->size;
  }
  bool late = node && (events->overflowing || events_is_full(events));
  if (late) {
    if (events->overflowing && place.node && place.overflow_number == events->overflow_number) {
      replaced[0] = place.node->handler;
      replaced[1] = place.node->news;
      events_remove_late(events, place.node);
      events_free_node(events, place.node);
    }
    events_push_late(events, node);
    place = (struct place){events->overflow_number, node};
  } else if (node) {
    events_push(events, node);
  }
  PyObject *result = posted(self, node);
  Py_XDECREF(replaced[0]);
  Py_XDECREF(replaced[1]);
  if (result && late && note_late(self, handler, &place)) Py_CLEAR(result);
  return result;
}

/* Events from libca */

static PyObject *intake_listen(Intake *self, PyObject *args) {
  long type;
  unsigned long most;
  Py_ssize_t header, width;
  PyObject *listener, *refuse, *route;
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  if (!native || !PyArg_ParseTuple(args, "lknnOOO", &type, &most, &header, &width,
                                   &listener, &refuse, &route))
    return NULL;
  if (route != Py_None && !PyObject_TypeCheck(route, native->route_type)) {
    PyErr_SetString(PyExc_TypeError, "expected a Route or None");
    return NULL;
  }
  if (self->closed) {
    PyErr_SetString(PyExc_ValueError, "it is closed");
    return NULL;
  }
  uint64_t number = 0;
  events_lock();
  struct subscription *added = events_enlist(&self->events) ? subscription_add(&self->events) : NULL;
  if (added) {
    added->type = type;
    added->most = most;
    added->header = (size_t)header;
    added->width = (size_t)width;
    added->listener = Py_NewRef(listener);
    added->refuse = Py_NewRef(refuse);
    added->route = route == Py_None ? NULL : Py_NewRef(route);
    number = subscription_number(&self->events, added);
  }
  events_unlock();
  return added ? PyLong_FromUnsignedLongLong(number) : PyErr_NoMemory();
}

static PyObject *intake_route(Intake *self, PyObject *args) {
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  return native ? PyObject_CallObject((PyObject *)native->route_type, args) : NULL;
}

static PyObject *intake_updates(Intake *self, PyObject *unused) {
  (void)unused;
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  return native ? updates_make(native->updates_type, (PyObject *)self) : NULL;
}

static PyObject *intake_send_scalars(Intake *self, PyObject *args) {
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  return native ? send_scalars(native->route_type, args) : NULL;
}

static PyObject *intake_form(Intake *self, PyObject *args) {
  struct native_state *native = PyType_GetModuleState(Py_TYPE(self));
  return native ? PyObject_CallObject((PyObject *)native->form_type, args) : NULL;
}

static PyObject *intake_forget(Intake *self, PyObject *argument) {
  unsigned long long number = PyLong_AsUnsignedLongLong(argument);
  if (PyErr_Occurred()) return NULL;
  PyObject *objects[OBJECTS];
  size_t length = 0;
  events_lock();
  struct subscription *found = subscription_find(&self->events, number);
  if (found) {
    found->live = false;
    length = retire(self, found, objects);
  }
  events_unlock();
  release(objects, length);
  Py_RETURN_NONE;
}

static PyObject *intake_forget_all(Intake *self, PyObject *unused) {
  (void)unused;
  end_subscriptions(self);
  Py_RETURN_NONE;
}

/* Handling in the reactor */

static PyObject *handle_refusal(const struct node *node) {
  struct refusal refusal;
  memcpy(&refusal, node->bytes, sizeof refusal);
  const struct subscription *subscription = node->subscription;
  return PyObject_CallFunction(subscription->refuse, "Ollk", (PyObject *)subscription->listener,
                               refusal.status, refusal.type, (unsigned long)refusal.count);
}

static PyObject *handle_event(const Intake *self, const struct node *node) {
  Route *route = node->subscription->route;
  int sent = route ? route_send(route, node->bytes, node->size) : 0;
  if (sent) return sent > 0 ? Py_NewRef(Py_None) : NULL;
  /* Python gets a newer update now than the one that it has not taken. */
  if (route) route->raw_size = 0;
  PyObject *raw = PyBytes_FromStringAndSize(node->bytes, (Py_ssize_t)node->size);
  if (!raw) return NULL;
  PyObject *listener = node->subscription->listener;
  PyObject *result = PyObject_CallMethodObjArgs(listener, self->receive, raw, NULL);
  Py_DECREF(raw);
  if (result && route && route_plan(route)) Py_CLEAR(result);
  return result;
}

static PyObject *handle(const Intake *self, const struct node *node) {
  switch (node->kind) {
    case EVENT:
      return handle_event(self, node);
    case REFUSAL:
      return handle_refusal(node);
    default:
      return PyObject_CallFunctionObjArgs(node->handler, node->news, NULL);
  }
}

/* Has an Exception logged; another BaseException stays set, and -1 is returned. */
static int report(Intake *self) {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback) PyException_SetTraceback(value, traceback);
  PyObject *result =
      self->failed ? PyObject_CallFunctionObjArgs(self->failed, value, NULL) : Py_NewRef(Py_None);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  Py_XDECREF(result);
  return result ? 0 : -1;
}

static int is_over(PyObject *clock, double deadline) {
  PyObject *now = PyObject_CallFunctionObjArgs(clock, NULL);
  if (!now) return -1;
  double seconds = PyFloat_AsDouble(now);
  Py_DECREF(now);
  if (seconds == -1.0 && PyErr_Occurred()) return -1;
  return seconds >= deadline;
}

/* Handles a batch; the rest of it is put back at the deadline. */
static int work_batch(Intake *self, struct list batch, PyObject *clock, double deadline,
                      Py_ssize_t *handled) {
  int failed = 0;
  struct node *node = batch.first, *last = NULL;
  size_t left = batch.length;
  for (int over = 0; node && !over && !failed; node = node->next) {
    PyObject *result = handle(self, node);
    if (!result) failed = report(self);
    Py_XDECREF(result);
    Py_CLEAR(*(PyObject **)&node->handler);
    Py_CLEAR(*(PyObject **)&node->news);
    last = node;
    left--;
    ++*handled;
    if (node->size > SLOW && !failed) {
      over = is_over(clock, deadline);
      failed = over < 0 ? -1 : 0;
    }
  }
  if (node) {
    struct list rest = {node, batch.last, left};
    last->next = NULL;
    node->previous = NULL;
    events_lock();
    events_put_back(&self->events, rest);
    events_unlock();
  }
  free_nodes(self, batch.first);
  return failed;
}

static bool is_empty(Intake *self) {
  return !self->events.queue.first && !self->events.overflowing;
}

static PyObject *intake_work(Intake *self, PyObject *args) {
  PyObject *clock;
  double deadline;
  if (!PyArg_ParseTuple(args, "Od", &clock, &deadline)) return NULL;
  Py_ssize_t handled = 0;
  for (;;) {
    int over = is_over(clock, deadline);
    if (over < 0) return NULL;
    if (over) break;
    events_lock();
    uint64_t overflow = self->events.overflowing;
    struct list batch = events_take(&self->events, BATCH);
    bool caught_up = overflow && !self->events.overflowing;
    events_unlock();
    if (caught_up) PyDict_Clear(self->late);
    if (!batch.first) break;
    if (work_batch(self, batch, clock, deadline, &handled)) return NULL;
  }
  events_lock();
  bool finished = is_empty(self);
  events_unlock();
  return Py_BuildValue("nO", handled, finished ? Py_True : Py_False);
}

static PyObject *intake_sleep(Intake *self, PyObject *unused) {
  (void)unused;
  events_lock();
  bool empty = is_empty(self);
  if (empty) self->events.awake = false;
  events_unlock();
  return PyBool_FromLong(empty);
}

static PyObject *get_most(Intake *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(self->events.most_events);
}

static int set_most(Intake *self, PyObject *value, void *unused) {
  (void)unused;
  size_t most = value ? PyLong_AsSize_t(value) : 0;
  if (PyErr_Occurred()) return -1;
  events_lock();
  self->events.most_events = most;
  events_unlock();
  return 0;
}

static PyObject *get_conflated(Intake *self, void *unused) {
  (void)unused;
  events_lock();
  uint64_t conflated = self->events.conflated;
  events_unlock();
  return PyLong_FromUnsignedLongLong(conflated);
}

static PyObject *get_depth(Intake *self, void *unused) {
  (void)unused;
  events_lock();
  size_t depth = self->events.queue.length + self->events.overflow.length;
  events_unlock();
  return PyLong_FromSize_t(depth);
}

static PyObject *get_callback(Intake *self, void *unused) {
  (void)self;
  (void)unused;
  return PyLong_FromVoidPtr((void *)events_on_event);
}

static PyMethodDef methods[] = {
    {"attach", (PyCFunction)intake_attach, METH_VARARGS, NULL},
    {"open", (PyCFunction)intake_open, METH_NOARGS, NULL},
    {"acknowledge", (PyCFunction)intake_acknowledge, METH_NOARGS, NULL},
    {"close", (PyCFunction)intake_close, METH_NOARGS, NULL},
    {"post", (PyCFunction)intake_post, METH_VARARGS, NULL},
    {"post_update", (PyCFunction)intake_post_update, METH_VARARGS, NULL},
    {"route", (PyCFunction)intake_route, METH_VARARGS, NULL},
    {"listen", (PyCFunction)intake_listen, METH_VARARGS, NULL},
    {"updates", (PyCFunction)intake_updates, METH_NOARGS, NULL},
    {"send_scalars", (PyCFunction)intake_send_scalars, METH_VARARGS, NULL},
    {"form", (PyCFunction)intake_form, METH_VARARGS, NULL},
    {"forget", (PyCFunction)intake_forget, METH_O, NULL},
    {"forget_all", (PyCFunction)intake_forget_all, METH_NOARGS, NULL},
    {"work", (PyCFunction)intake_work, METH_VARARGS, NULL},
    {"sleep", (PyCFunction)intake_sleep, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"most", (getter)get_most, (setter)set_most, NULL, NULL},
    {"conflated", (getter)get_conflated, NULL, NULL, NULL},
    {"depth", (getter)get_depth, NULL, NULL, NULL},
    {"callback", (getter)get_callback, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, intake_new},         {Py_tp_dealloc, intake_dealloc},
    {Py_tp_traverse, intake_traverse}, {Py_tp_clear, intake_clear},
    {Py_tp_methods, methods},        {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec intake_spec = {
    .name = "pycawamp.pv.ca._fast._native.Intake",
    .basicsize = sizeof(Intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
