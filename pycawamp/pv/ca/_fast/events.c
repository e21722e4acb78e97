#include "events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SPARES = 4096, LARGE = 1 << 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The callback gets only a number from libca. These are the queues that numbers refer to. */
static struct events *enlisted;
static uint16_t last_id;

void events_lock(void) { pthread_mutex_lock(&lock); }
void events_unlock(void) { pthread_mutex_unlock(&lock); }

/* Lists */

static void append(struct list *list, struct node *node) {
  node->next = NULL;
  node->previous = list->last;
  if (list->last)
    list->last->next = node;
  else
    list->first = node;
  list->last = node;
  list->length++;
}

static void take_out(struct list *list, struct node *node) {
  if (node->previous)
    node->previous->next = node->next;
  else
    list->first = node->next;
  if (node->next)
    node->next->previous = node->previous;
  else
    list->last = node->previous;
  list->length--;
}

static void join(struct list *list, struct list rest) {
  if (!rest.first) return;
  rest.first->previous = list->last;
  if (list->last)
    list->last->next = rest.first;
  else
    list->first = rest.first;
  list->last = rest.last;
  list->length += rest.length;
}

/* Nodes */

struct node *events_new_node(struct events *events, enum kind kind) {
  struct node *node = events->spare;
  if (node) {
    events->spare = node->next;
    events->spares--;
  } else {
    node = malloc(sizeof *node);
    if (!node) return NULL;
  }
  node->subscription = NULL;
  node->handler = node->news = NULL;
  node->size = 0;
  node->kind = kind;
  node->bytes = node->inlined;
  return node;
}

void events_free_node(struct events *events, struct node *node) {
  if (node->bytes != node->inlined) free(node->bytes);
  if (events->spares < MAX_SPARES) {
    node->next = events->spare;
    events->spare = node;
    events->spares++;
  } else {
    free(node);
  }
}

void events_free_spares(struct events *events) {
  while (events->spare) {
    struct node *node = events->spare;
    events->spare = node->next;
    free(node);
  }
  events->spares = 0;
}

/* The queue */

bool events_is_full(const struct events *events) {
  return events->queue.length >= events->most_events || events->bytes > events->most_bytes;
}

void events_push(struct events *events, struct node *node) {
  append(events->overflowing ? &events->overflow : &events->queue, node);
}

void events_push_late(struct events *events, struct node *node) {
  if (!events->overflowing) {
    events->overflowing = true;
    events->overflow_number++;
  }
  append(&events->overflow, node);
}

void events_remove_late(struct events *events, struct node *node) {
  take_out(&events->overflow, node);
  events->conflated++;
  events->bytes -= node->size;
}

bool events_wake(struct events *events) {
  bool asleep = !events->awake;
  events->awake = true;
  return asleep;
}

struct list events_take(struct events *events, size_t most) {
  if (!events->queue.first && events->overflowing) {
    events->queue = events->overflow;
    events->overflow = (struct list){0};
    events->overflowing = false;
  }
  struct list taken = {events->queue.first, events->queue.first, 0};
  if (!taken.first) return taken;
  for (taken.length = 1; taken.length < most && taken.last->next; taken.length++)
    taken.last = taken.last->next;
  events->queue.first = taken.last->next;
  if (events->queue.first)
    events->queue.first->previous = NULL;
  else
    events->queue.last = NULL;
  events->queue.length -= taken.length;
  taken.last->next = NULL;
  return taken;
}

void events_put_back(struct events *events, struct list rest) {
  join(&rest, events->queue);
  events->queue = rest;
}

/* Subscriptions: numbers of 16 bits for the queue, 24 for the generation, 24 for the index. */

enum { INDEX_BITS = 24, MASK = (1 << INDEX_BITS) - 1 };

static bool make_room(struct subscriptions *them) {
  if (them->made < them->size) return true;
  uint32_t size = them->size ? 2 * them->size : 64;
  if (size > MASK) return false;
  struct subscription **all = realloc(them->all, size * sizeof *all);
  if (all) them->all = all;
  uint32_t *unused = realloc(them->unused, size * sizeof *unused);
  if (unused) them->unused = unused;
  if (!all || !unused) return false;
  them->size = size;
  return true;
}

struct subscription *subscription_add(struct events *events) {
  struct subscriptions *them = &events->subscriptions;
  struct subscription *added;
  if (them->unused_length) {
    added = them->all[them->unused[--them->unused_length]];
  } else {
    if (!make_room(them)) return NULL;
    added = calloc(1, sizeof *added);
    if (!added) return NULL;
    added->index = them->made;
    them->all[them->made++] = added;
  }
  uint32_t index = added->index, generation = (added->generation + 1) & MASK;
  memset(added, 0, sizeof *added);
  added->index = index;
  added->generation = generation;
  added->live = true;
  return added;
}

void subscription_free(struct events *events, struct subscription *subscription) {
  struct subscriptions *them = &events->subscriptions;
  them->unused[them->unused_length++] = subscription->index;
}

uint64_t subscription_number(const struct events *events, const struct subscription *subscription) {
  return (uint64_t)events->id << 48 | (uint64_t)subscription->generation << INDEX_BITS |
         subscription->index;
}

struct subscription *subscription_find(const struct events *events, uint64_t number) {
  uint32_t index = number & MASK;
  if (index >= events->subscriptions.made) return NULL;
  struct subscription *found = events->subscriptions.all[index];
  return found->live && subscription_number(events, found) == number ? found : NULL;
}

static struct events *find_events(uint16_t id) {
  struct events *events = enlisted;
  while (events && events->id != id) events = events->next;
  return events;
}

bool events_enlist(struct events *events) {
  if (events->id) return true;
  for (int tries = 0; tries < UINT16_MAX; tries++) {
    if (++last_id && !find_events(last_id)) {
      events->id = last_id;
      events->next = enlisted;
      enlisted = events;
      return true;
    }
  }
  return false;
}

void events_delist(struct events *events) {
  for (struct events **each = &enlisted; *each; each = &(*each)->next) {
    if (*each == events) {
      *each = events->next;
      break;
    }
  }
  events->id = 0;
}

/* libca's callback */

/* Take an event's bytes, or the bytes that were copied already. */
static void push_event(struct events *events, struct subscription *subscription, enum kind kind,
                       const void *bytes, size_t size, char *copied) {
  struct node *node = events_new_node(events, kind);
  if (node && size > INLINE_BYTES) {
    node->bytes = copied ? copied : malloc(size);
    if (!node->bytes) {
      node->bytes = node->inlined;
      events_free_node(events, node);
      node = NULL;
    }
  }
  if (!node) { /* no memory: a newer one will come */
    events->conflated++;
    free(copied);
    return;
  }
  if (!copied) memcpy(node->bytes, bytes, size);
  node->size = size;
  node->subscription = subscription;
  subscription->waiting++;
  events->bytes += size;
  if (!events->overflowing && !events_is_full(events)) {
    events_push(events, node);
  } else {
    int which = kind - EVENT;
    if (events->overflowing && subscription->late_in[which] == events->overflow_number) {
      events_remove_late(events, subscription->late[which]);
      events_free_node(events, subscription->late[which]);
      subscription->waiting--;
    }
    events_push_late(events, node);
    subscription->late[which] = node;
    subscription->late_in[which] = events->overflow_number;
  }
  if (events_wake(events) && events->wake >= 0) {
    uint64_t one = 1;
    ssize_t written = write(events->wake, &one, sizeof one);
    (void)written; /* it fails only if the counter is at its maximum, so the reactor wakes anyway */
  }
}

static struct subscription *find(uint64_t number, struct events **events) {
  *events = find_events((uint16_t)(number >> 48));
  return *events ? subscription_find(*events, number) : NULL;
}

void events_post(struct events *events, uint64_t number, const void *bytes, size_t size) {
  events_lock();
  struct subscription *subscription = subscription_find(events, number);
  if (subscription) push_event(events, subscription, EVENT, bytes, size, NULL);
  events_unlock();
}

static void refuse(struct events *events, struct subscription *subscription,
                   const struct event_args *args) {
  struct refusal refusal = {args->status, args->type, args->count};
  push_event(events, subscription, REFUSAL, &refusal, sizeof refusal, NULL);
}

/* Copy a large value without the lock; the subscription may have ended when it is copied. */
static void copy_large(uint64_t number, const struct event_args *args, size_t size) {
  char *copied = malloc(size);
  if (!copied) return;
  memcpy(copied, args->dbr, size);
  struct events *events;
  events_lock();
  struct subscription *subscription = find(number, &events);
  if (subscription)
    push_event(events, subscription, EVENT, NULL, size, copied);
  else
    free(copied);
  events_unlock();
}

void events_on_event(struct event_args args) {
  uint64_t number = (uint64_t)(uintptr_t)args.usr;
  size_t size = 0;
  struct events *events;
  events_lock();
  struct subscription *subscription = find(number, &events);
  if (subscription) {
    /* Type and count are what the server claims: libca passes them on unchecked. */
    bool as_asked = args.status == ECA_NORMAL && args.type == subscription->type &&
                    (unsigned long)args.count <= subscription->most && args.dbr;
    if (as_asked) size = subscription->header + (size_t)args.count * subscription->width;
    if (!as_asked)
      refuse(events, subscription, &args);
    else if (size <= LARGE)
      push_event(events, subscription, EVENT, args.dbr, size, NULL);
  }
  events_unlock();
  if (size > LARGE) copy_large(number, &args, size);
}
