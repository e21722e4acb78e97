/* DBR_TIME bytes of scalars to JSON, byte by byte as orjson writes it. */
#ifndef PYCAWAMP_RENDER_H
#define PYCAWAMP_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type { STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE, FIELD_TYPES };
enum { EPICS_EPOCH = 631152000 /* 1990 in UNIX seconds */, NANOSECONDS = 1000000000 };
enum { MAX_VALUE = 256, MAX_NUMBER = 8, MAX_TIME = 24, MAX_ALARM = 64 }; /* bytes */

/* The members of an update: see Field in pv/routes.py. */
enum field { VALUE, NUMBER, TIME, SECONDS, NANOS, ALARM, SCALAR, FIELDS };

struct span {
  const char *text;
  size_t length;
};

/* The members that are needed. */
enum { WITH_TEXT = 1, WITH_ALARM = 2 /* text, too */, WITH_SCALAR = 4 };

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The bus is little-endian: without this compiled part, Python converts its numbers"
#endif

/* As _SCALAR in bus/messages.py; numbers are little-endian. */
struct scalar {
  uint32_t number;
  uint8_t severity, status, is_whole, unused;
  uint32_t seconds, nanoseconds;
  double value;
};

/* The members of an update, rendered once for all clients. The last one is empty. */
struct rendered {
  struct span fields[FIELDS + 1];
  int16_t severity;
  struct scalar scalar;
  char value[MAX_VALUE], number[MAX_NUMBER], time[MAX_TIME], alarm[MAX_ALARM];
};

/* A number and its time, for histories. */
struct numeric {
  double value;
  uint64_t seconds; /* UNIX: up to 2126, which takes more than 32 bits */
  uint32_t nanoseconds;
  unsigned severity;
};

/* Bytes of a DBR_TIME type with one element. */
size_t render_size(enum field_type type);

/* False if Python has to render it: no value, text that is not UTF-8, numbers out of range. */
bool render(enum field_type type, const char *raw, size_t size, unsigned wanted,
            struct rendered *rendered);

/* The number in bytes that `render` has accepted; false if there is none. */
bool read_number(enum field_type type, const char *raw, struct numeric *number);

int read_status(const char *raw);

/* Writes bytes for `render`; returns their number, 0 if the type is not LONG, FLOAT or DOUBLE. */
size_t write_number(enum field_type type, const struct numeric *number, int status, char *raw);

/* The number of a status by its name, -1 if there is none, and back. */
int status_number(const char *text, size_t length);
const char *status_name(int number);

#endif
