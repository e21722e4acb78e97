/* Events of Channel Access, from libca's threads to the reactor.
 *
 * One lock of the process guards all that is declared here. Nobody calls Python while holding it,
 * and nobody who holds it waits for Python's own lock. So it is held for fractions of a
 * microsecond, and both locks are always taken in the same order.
 *
 * Objects of Python appear as plain pointers: this part neither makes nor frees them. */
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

/* struct event_handler_args of cadef.h, the only thing of libca's that is known here. */
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
  UPDATE,  /* posted by Python; the newest of a handler wins */
  EVENT,   /* DBR bytes; the newest of a subscription wins */
  REFUSAL, /* status, type and count of an event that is not as asked; the newest wins */
};
enum { NEWEST_WINS = 2 }; /* kinds of a subscription, EVENT and REFUSAL */

struct refusal {
  long status, type, count;
};

struct node {
  struct node *next, *previous;
  struct subscription *subscription; /* of an EVENT or REFUSAL */
  void *handler, *news;              /* of a CALL or UPDATE: references that the node owns */
  size_t size;                       /* bytes that count against the bound */
  enum kind kind;
  char *bytes; /* `inlined`, or from malloc */
  char inlined[INLINE_BYTES];
};

struct list {
  struct node *first, *last;
  size_t length;
};

/* What libca was asked for, and who hears of it. */
struct subscription {
  uint32_t index, generation;
  bool live;
  size_t waiting; /* nodes that refer to it */
  long type;
  unsigned long most;    /* elements */
  size_t header, width;  /* an event has header + count * width bytes */
  struct node *late[NEWEST_WINS]; /* in the overflow that late_in tells */
  uint64_t late_in[NEWEST_WINS];
  void *listener, *refuse, *route; /* references that it owns; of a route NULL, too */
};

struct subscriptions {
  struct subscription **all;
  uint32_t made, size;
  uint32_t *unused; /* a stack of indexes */
  uint32_t unused_length;
};

/* One queue, with the subscriptions whose events come to it. */
struct events {
  struct events *next; /* in the list of those that have subscriptions */
  uint16_t id;         /* 0: not in the list */
  int wake;            /* an eventfd, or -1 */
  bool awake;          /* whether the reactor knows that something waits */
  size_t most_events, most_bytes;
  struct list queue;
  struct list overflow; /* what came over the bounds, until the queue is empty */
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

/* All of these with the lock. */
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

/* Queues an event of a subscription, if there is one of the number. Without the lock. */
void events_post(struct events *events, uint64_t number, const void *bytes, size_t size);

/* What libca is given. Without the lock, and without Python's. */
void events_on_event(struct event_args args);

#endif
