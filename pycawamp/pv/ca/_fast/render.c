#include "render.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

int shortest_double(double value, char *out, int size);
int shortest_float(float value, char *out, int size);

enum {
  STRING_SIZE = 40,
  MAX_DIGITS = 40,
  FRACTION = 9, /* digits */
};

/* Maximum digits before the point, and zeros after it, for which orjson writes no exponent. */
struct plain {
  int digits, zeros;
};
static const struct plain plain_double = {16, 4}, plain_float = {13, 5};

static const struct {
  size_t offset, width;
} layouts[FIELD_TYPES] = {
    [STRING] = {12, STRING_SIZE}, [SHORT] = {14, 2}, [FLOAT] = {12, 4},  [ENUM] = {14, 2},
    [CHAR] = {15, 1},             [LONG] = {12, 4},  [DOUBLE] = {16, 8},
};

size_t render_size(enum field_type type) { return layouts[type].offset + layouts[type].width; }

static char *put(char *out, const char *text, size_t length) {
  memcpy(out, text, length);
  return out + length;
}

static char *put_unsigned(char *out, uint64_t number) {
  char digits[20];
  int length = 0;
  do {
    digits[length++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (length) *out++ = digits[--length];
  return out;
}

static char *put_signed(char *out, int64_t number) {
  if (number < 0) *out++ = '-';
  return put_unsigned(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

static char *put_zeros(char *out, int number) {
  while (number-- > 0) *out++ = '0';
  return out;
}

/* Converts "-1.25e+16" to orjson's format. */
static char *lay_out(char *out, const char *scientific, int length, struct plain plain) {
  char digits[MAX_DIGITS];
  int count = 0, exponent = 0, at = 0;
  if (scientific[at] == '-') {
    *out++ = '-';
    at++;
  }
  for (; at < length && scientific[at] != 'e'; at++)
    if (scientific[at] != '.') digits[count++] = scientific[at];
  bool negative = scientific[++at] == '-';
  for (at++; at < length; at++) exponent = 10 * exponent + scientific[at] - '0';
  if (negative) exponent = -exponent;
  int point = exponent + 1; /* digits before the point */
  if (count <= point && point <= plain.digits) {
    out = put_zeros(put(out, digits, (size_t)count), point - count);
    return put(out, ".0", 2);
  }
  if (0 < point && point <= plain.digits) {
    out = put(out, digits, (size_t)point);
    *out++ = '.';
    return put(out, digits + point, (size_t)(count - point));
  }
  if (-plain.zeros <= point && point <= 0)
    return put(put_zeros(put(out, "0.", 2), -point), digits, (size_t)count);
  *out++ = digits[0];
  if (count > 1) {
    *out++ = '.';
    out = put(out, digits + 1, (size_t)count - 1);
  }
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  return put_unsigned(out, (uint64_t)(exponent < 0 ? -exponent : exponent));
}

static char *put_double(char *out, double value) {
  if (!isfinite(value)) return put(out, "null", 4);
  if (value == 0) return put(out, signbit(value) ? "-0.0" : "0.0", signbit(value) ? 4 : 3);
  char scientific[MAX_DIGITS];
  int length = shortest_double(value, scientific, MAX_DIGITS);
  return length < 0 ? NULL : lay_out(out, scientific, length, plain_double);
}

static char *put_float(char *out, float value) {
  if (!isfinite(value)) return put(out, "null", 4);
  if (value == 0) return put(out, signbit(value) ? "-0.0" : "0.0", signbit(value) ? 4 : 3);
  char scientific[MAX_DIGITS];
  int length = shortest_float(value, scientific, MAX_DIGITS);
  return length < 0 ? NULL : lay_out(out, scientific, length, plain_float);
}

/* The length of the character that begins here; 0 if it is not UTF-8 (RFC 3629). */
static size_t character(const unsigned char *text, size_t left) {
  unsigned char first = text[0], least = 0x80, most = 0xbf;
  size_t length;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf)
    length = 2;
  else if (first >= 0xe0 && first <= 0xef)
    length = 3;
  else if (first >= 0xf0 && first <= 0xf4)
    length = 4;
  else
    return 0;
  if (length > left) return 0;
  if (first == 0xe0) least = 0xa0;
  if (first == 0xed) most = 0x9f;
  if (first == 0xf0) least = 0x90;
  if (first == 0xf4) most = 0x8f;
  if (text[1] < least || text[1] > most) return 0;
  for (size_t i = 2; i < length; i++)
    if (text[i] < 0x80 || text[i] > 0xbf) return 0;
  return length;
}

static char *put_escaped(char *out, unsigned char control) {
  static const char hexadecimal[] = "0123456789abcdef";
  *out++ = '\\';
  switch (control) {
    case '\b': *out++ = 'b'; return out;
    case '\t': *out++ = 't'; return out;
    case '\n': *out++ = 'n'; return out;
    case '\f': *out++ = 'f'; return out;
    case '\r': *out++ = 'r'; return out;
    default: break;
  }
  out = put(out, "u00", 3);
  *out++ = hexadecimal[control >> 4];
  *out++ = hexadecimal[control & 15];
  return out;
}

static char *put_string(char *out, const char *field) {
  const unsigned char *text = (const unsigned char *)field;
  size_t size = strnlen(field, STRING_SIZE);
  *out++ = '"';
  for (size_t at = 0; at < size;) {
    size_t length = character(text + at, size - at);
    if (!length) return NULL;
    if (text[at] < 0x20) {
      out = put_escaped(out, text[at]);
    } else {
      if (text[at] == '"' || text[at] == '\\') *out++ = '\\';
      out = put(out, field + at, length);
    }
    at += length;
  }
  *out++ = '"';
  return out;
}

union number {
  int16_t i16;
  uint16_t u16;
  uint8_t u8;
  int32_t i32;
  float f32;
  double f64;
};

static char *put_value(char *out, enum field_type type, const char *element) {
  union number number;
  if (type == STRING) return put_string(out, element);
  memcpy(&number, element, layouts[type].width);
  switch (type) {
    case SHORT: return put_signed(out, number.i16);
    case FLOAT: return put_float(out, number.f32);
    case ENUM: return put_unsigned(out, number.u16);
    case CHAR: return put_unsigned(out, number.u8);
    case LONG: return put_signed(out, number.i32);
    default: return put_double(out, number.f64);
  }
}

static double number_of(enum field_type type, const char *element) {
  union number number = {0};
  memcpy(&number, element, layouts[type].width);
  switch (type) {
    case SHORT: return number.i16;
    case FLOAT: return number.f32;
    case ENUM: return number.u16;
    case CHAR: return number.u8;
    case LONG: return number.i32;
    default: return number.f64;
  }
}

static const char *const severities[] = {"NO_ALARM", "MINOR", "MAJOR", "INVALID"};
static const char *const statuses[] = {
    "NO_ALARM", "READ", "WRITE",   "HIHI",  "HIGH",    "LOLO", "LOW",  "STATE",
    "COS",      "COMM", "TIMEOUT", "HWLIMIT", "CALC",  "SCAN", "LINK", "SOFT",
    "BAD_SUB",  "UDF",  "DISABLE", "SIMM",  "READ_ACCESS", "WRITE_ACCESS"};
#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

int status_number(const char *text, size_t length) {
  for (int i = 0; i < LENGTH(statuses); i++)
    if (strlen(statuses[i]) == length && !memcmp(statuses[i], text, length)) return i;
  return -1;
}

const char *status_name(int number) { return statuses[number]; }

static char *put_text(char *out, const char *text) { return put(out, text, strlen(text)); }

static char *put_alarm(char *out, int16_t status, int16_t severity) {
  if (status < 0 || status >= LENGTH(statuses) || severity < 0 || severity >= LENGTH(severities))
    return NULL;
  out = put_text(put_text(out, ",\"severity\":\""), severities[severity]);
  out = put_text(put_text(out, "\",\"status\":\""), statuses[status]);
  *out++ = '"';
  return out;
}

static char *put_time(char *out, uint32_t seconds, uint32_t nanoseconds) {
  out = put_unsigned(out, (uint64_t)seconds + EPICS_EPOCH);
  *out++ = '.';
  for (int digit = FRACTION - 1; digit >= 0; digit--) {
    out[digit] = (char)('0' + nanoseconds % 10);
    nanoseconds /= 10;
  }
  return out + FRACTION;
}

/* The value: chars with a sign, and text if JSON has no such number. */
static struct span number_span(enum field_type type, const char *element,
                               struct rendered *rendered) {
  union number number = {0};
  if (type != CHAR && type != DOUBLE && type != FLOAT) return rendered->fields[VALUE];
  memcpy(&number, element, layouts[type].width);
  if (type == CHAR) {
    if (number.u8 < 128) return rendered->fields[VALUE];
    char *end = put_signed(rendered->number, (int8_t)number.u8);
    return (struct span){rendered->number, (size_t)(end - rendered->number)};
  }
  double value = type == FLOAT ? number.f32 : number.f64;
  if (isfinite(value)) return rendered->fields[VALUE];
  const char *text = isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  return (struct span){text, strlen(text)};
}

struct header {
  int16_t status, severity;
  uint32_t seconds, nanoseconds;
};

bool read_number(enum field_type type, const char *raw, struct numeric *number) {
  struct header header;
  if (type == STRING) return false;
  memcpy(&header, raw, sizeof header);
  number->value = number_of(type, raw + layouts[type].offset);
  number->seconds = (uint64_t)header.seconds + EPICS_EPOCH;
  number->nanoseconds = header.nanoseconds;
  number->severity = (unsigned)header.severity;
  return true;
}

int read_status(const char *raw) {
  struct header header;
  memcpy(&header, raw, sizeof header);
  return header.status;
}

size_t write_number(enum field_type type, const struct numeric *number, int status, char *raw) {
  struct header header = {(int16_t)status, (int16_t)number->severity,
                          (uint32_t)(number->seconds - EPICS_EPOCH), number->nanoseconds};
  union number value = {0};
  switch (type) {
    case FLOAT: value.f32 = (float)number->value; break;
    case LONG: value.i32 = (int32_t)number->value; break;
    case DOUBLE: value.f64 = number->value; break;
    default: return 0;
  }
  memset(raw, 0, layouts[type].offset);
  memcpy(raw, &header, sizeof header);
  memcpy(raw + layouts[type].offset, &value, layouts[type].width);
  return render_size(type);
}

/* As `reading_record` in bus/messages.py, without the PV's number. */
static bool put_scalar(enum field_type type, const struct header *header, const char *element,
                       struct rendered *rendered) {
  uint64_t seconds = (uint64_t)header->seconds + EPICS_EPOCH;
  if (type == STRING || header->status < 0 || header->status > UINT8_MAX ||
      header->severity < 0 || header->severity > UINT8_MAX || seconds > UINT32_MAX)
    return false;
  struct scalar *scalar = &rendered->scalar;
  *scalar = (struct scalar){.severity = (uint8_t)header->severity,
                            .status = (uint8_t)header->status,
                            .is_whole = type != FLOAT && type != DOUBLE,
                            .seconds = (uint32_t)seconds,
                            .nanoseconds = header->nanoseconds,
                            .value = number_of(type, element)};
  size_t start = offsetof(struct scalar, severity);
  rendered->fields[SCALAR] = (struct span){(const char *)scalar + start, sizeof *scalar - start};
  return true;
}

static bool put_texts(enum field_type type, const struct header *header, const char *element,
                      bool with_alarm, struct rendered *rendered) {
  struct span *fields = rendered->fields;
  char *end = put_value(rendered->value, type, element);
  if (!end) return false;
  fields[VALUE] = (struct span){rendered->value, (size_t)(end - rendered->value)};
  fields[NUMBER] = number_span(type, element, rendered);
  end = put_time(rendered->time, header->seconds, header->nanoseconds);
  fields[TIME] = (struct span){rendered->time, (size_t)(end - rendered->time)};
  const char *fraction = end - FRACTION;
  fields[SECONDS] = (struct span){rendered->time, (size_t)(fraction - 1 - rendered->time)};
  while (fraction < end - 1 && *fraction == '0') fraction++;
  fields[NANOS] = (struct span){fraction, (size_t)(end - fraction)};
  if (!with_alarm) return true;
  end = put_alarm(rendered->alarm, header->status, header->severity);
  if (!end) return false;
  fields[ALARM] = (struct span){rendered->alarm, (size_t)(end - rendered->alarm)};
  return true;
}

bool render(enum field_type type, const char *raw, size_t size, unsigned wanted,
            struct rendered *rendered) {
  struct header header;
  if (size != render_size(type)) return false;
  memcpy(&header, raw, sizeof header);
  if (header.nanoseconds >= NANOSECONDS) return false;
  const char *element = raw + layouts[type].offset;
  rendered->fields[ALARM] = rendered->fields[SCALAR] = rendered->fields[FIELDS] =
      (struct span){"", 0};
  rendered->severity = header.severity;
  if (wanted & WITH_SCALAR && !put_scalar(type, &header, element, rendered)) return false;
  return !(wanted & WITH_TEXT) ||
         put_texts(type, &header, element, wanted & WITH_ALARM, rendered);
}
