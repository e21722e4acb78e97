/* Events of Channel Access, from libca's threads to the reactor.
 *
 * One lock of the process guards everything that is declared here. While it is held, Python is not
 * called, and Python's own lock is not acquired. So it is held for fractions of a
 * microsecond, and both locks are always acquired in the same order.
 *
 * Python objects are plain pointers: this part neither creates nor frees them. */
#ifndef PYCAWAMP_EVENTS_H
#define PYCAWAMP_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX < UINT64_MAX
#error "a pointer of libca's cannot hold the number of a subscription"
#endif

enum { ECA_NORMAL = 1 };
enum { INLINE_BYTES = 56 }; /* a DBR_TIME_STRING has 52 */

/* struct event_handler_args of cadef.h, the only part of libca that is used here. */
struct event_args {
  void *usr;
  void *chid;
  long type;
  long count;
  const void *dbr;
  int status;
};

enum kind {
  CALL,    /* posted by Python, never dropped */
  UPDATE,  /* posted by Python; replaced by a newer one of its handler */
  EVENT,   /* DBR bytes; replaced by a newer one of its subscription */
  REFUSAL, /* status, type and count of an invalid event; replaced by a newer one */
};
enum { NEWEST_WINS = 2 }; /* kinds of a subscription, EVENT and REFUSAL */

struct refusal {
  long status, type, count;
};

struct node {
  struct node *next, *previous;
  struct subscription *subscription; /* of an EVENT or REFUSAL */
  void *handler, *news;              /* of a CALL or UPDATE: references that the node owns */
  size_t size;                       /* bytes that count for the limit */
  enum kind kind;
  char *bytes; /* `inlined`, or from malloc */
  char inlined[INLINE_BYTES];
};

struct list {
  struct node *first, *last;
  size_t length;
};

/* What was requested from libca, and the listener. */
struct subscription {
  uint32_t index, generation;
  bool live;
  size_t waiting; /* nodes that refer to it */
  long type;
  unsigned long most;    /* elements */
  size_t header, width;  /* an event has header + count * width bytes */
  struct node *late[NEWEST_WINS]; /* in the overflow of the generation `late_in` */
  uint64_t late_in[NEWEST_WINS];
  void *listener, *refuse, *route; /* references that it owns; of a route NULL, too */
};

struct subscriptions {
  struct subscription **all;
  uint32_t made, size;
  uint32_t *unused; /* a stack of indexes */
  uint32_t unused_length;
};

/* One queue, with the subscriptions whose events are queued in it. */
struct events {
  struct events *next; /* in the list of those that have subscriptions */
  uint16_t id;         /* 0: not in the list */
  int wake;            /* an eventfd, or -1 */
  bool awake;          /* whether the reactor will handle queued events */
  size_t most_events, most_bytes;
  struct list queue;
  struct list overflow; /* events above the limits, until the queue is empty */
  bool overflowing;
  uint64_t overflow_number;
  size_t bytes;
  uint64_t conflated;
  struct node *spare;
  size_t spares;
  struct subscriptions subscriptions;
};

void events_lock(void);
void events_unlock(void);

/* Call all of these with the lock. */
struct node *events_new_node(struct events *events, enum kind kind);
void events_free_node(struct events *events, struct node *node);
void events_push(struct events *events, struct node *node);
void events_push_late(struct events *events, struct node *node);
void events_remove_late(struct events *events, struct node *node);
bool events_is_full(const struct events *events);
bool events_wake(struct events *events);
struct list events_take(struct events *events, size_t most);
void events_put_back(struct events *events, struct list rest);
void events_free_spares(struct events *events);

struct subscription *subscription_add(struct events *events);
void subscription_free(struct events *events, struct subscription *subscription);
struct subscription *subscription_find(const struct events *events, uint64_t number);
uint64_t subscription_number(const struct events *events, const struct subscription *subscription);
bool events_enlist(struct events *events);
void events_delist(struct events *events);

/* Queues an event of a subscription, if the number is valid. Call it without the lock. */
void events_post(struct events *events, uint64_t number, const void *bytes, size_t size);

/* The callback for libca. Called without this lock and without Python's. */
void events_on_event(struct event_args args);

#endif
