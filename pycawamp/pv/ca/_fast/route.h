/* Passes a subscription's events to streams, as JSON, without Python. */
#ifndef PYCAWAMP_ROUTE_H
#define PYCAWAMP_ROUTE_H

#include "native.h"

#include <stdbool.h>
#include <stddef.h>

#include "events.h"
#include "history.h"
#include "render.h"

typedef struct route {
  PyObject_HEAD
  enum field_type type;
  PyObject *planner, *decode;
  enum { UNKNOWN, PYTHON, DIRECT } state;
  struct plan *plan; /* if DIRECT */
  History *history;  /* of updates that bypass Python; or NULL */
  uint64_t direct;   /* events that were sent without Python */
  size_t raw_size;   /* 0: the newest event went through Python */
  char raw[INLINE_BYTES];
} Route;

/* Call all of these with Python's lock. */

/* 1 if the event was sent to all streams, 0 if Python has to handle it, -1 with an exception set. */
int route_send(Route *self, const char *raw, size_t size);

/* To be called when Python has handled an event; -1 with an exception set. */
int route_plan(Route *self);

#endif
