/* The frames that a cohort gets in one flush cycle. */
#ifndef PYCAWAMP_BUFFER_H
#define PYCAWAMP_BUFFER_H

#include "native.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  PyObject_HEAD
  PyObject *joint; /* bytes between two frames */
  char *data;
  size_t length, room;
  PyObject **streams; /* the stream of each frame */
  size_t count, streams_room;
} FrameBuffer;

/* Room for a frame of a stream, with Python's lock; NULL with an exception set. */
char *buffer_extend(FrameBuffer *self, PyObject *stream, size_t size);

#endif
