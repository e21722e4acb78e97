/* The last samples of one PV. */
#ifndef PYCAWAMP_HISTORY_H
#define PYCAWAMP_HISTORY_H

#include "native.h"

#include <stddef.h>
#include <stdint.h>

struct sample {
  double value;
  uint32_t seconds; /* UNIX */
  uint32_t rest;    /* nanoseconds, and the severity in the upper two bits */
};

enum { RECENT = 12 };

typedef struct history {
  PyObject_HEAD
  PyObject *reserve; /* called with a number of bytes to reserve, negative to release them */
  uint32_t keep;     /* seconds */
  uint32_t most;     /* samples */
  /* The newest samples, before they are moved to `samples` together. With many PVs, a write to
   * `samples` finds its page in no cache, which takes as long as rendering the event. */
  uint32_t waiting;
  struct sample recent[RECENT];
  struct sample *samples; /* a ring */
  uint32_t room, first, length;
  uint32_t until_asked; /* samples until memory is requested again, after it was refused */
} History;

/* -1 with an exception set. With Python's lock. */
int history_push(History *self, double value, uint32_t seconds, uint32_t nanoseconds,
                 unsigned severity);

#endif
