/* source: a Channel Access server whose PVs change at a fixed rate.
 *
 * It serves the names in a file as scalar doubles that count in steps of 0.125. Every millisecond
 * as many updates are made as the rate asks for, of one PV after another, each with the time of
 * that moment. An update that does not fit into a client's socket is skipped, as an IOC would
 * replace it by a newer one, and counted. Where the process itself comes late, it makes up for it.
 *
 * It speaks what clients of numbers need: searches, channels, subscriptions to DBR_TIME_DOUBLE and
 * DBR_CTRL_DOUBLE, reads of both, echoes, and the flow control of libca. It prints READY, then one
 * JSON line with its figures so far for each line of stdin, and ends with it.
 *
 * usage: source FILE PORT RATE (updates per second of all PVs together) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
  VERSION = 0, EVENT_ADD = 1, EVENT_CANCEL = 2, SEARCH = 6, EVENTS_OFF = 8, EVENTS_ON = 9,
  CLEAR_CHANNEL = 12, READ_NOTIFY = 15, CREATE_CHAN = 18, ACCESS_RIGHTS = 22, ECHO = 23,
};
enum { DOUBLE = 6, TIME_DOUBLE = 20, CTRL_DOUBLE = 34, NORMAL = 1, MINOR = 13, ALL_RIGHTS = 3 };
enum {
  CLIENTS = 8,
  EPICS_EPOCH = 631152000, /* 1990 in UNIX seconds */
  TICK_NS = 1000000,
  UNSENT = 1 << 18, /* bytes: beyond, updates are skipped */
  OTHERS = 4,       /* descriptors before those of clients */
};
static const double step = 0.125;

struct header {
  uint16_t command, size, type, count;
  uint32_t first, second;
};

struct time_double {
  int16_t status, severity;
  uint32_t seconds, nanoseconds, padding, value[2];
};

struct update {
  struct header header;
  struct time_double body;
};

struct client {
  int fd; /* -1: none */
  bool off; /* it has asked for no events now */
  uint8_t *in, *out;
  size_t in_length, in_room, out_length, out_room;
  uint32_t *subscriptions; /* by PV; 0: none */
  uint32_t subscribed;
};

static char **names;
static uint32_t pvs, slots_count, *slots, next_pv;
static uint64_t pass = 1; /* the counter of the PVs before next_pv is one more */
static uint64_t made, sent, skipped, switched_off;
static int port;
static struct client clients[CLIENTS];

static void die(const char *what) {
  fprintf(stderr, "source: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *room(void *old, size_t size) {
  void *new = realloc(old, size);
  if (!new) die("memory");
  return new;
}

/* --- names ------------------------------------------------------------------------------------ */

static uint32_t *slot_of(const char *name) {
  uint32_t h = 2166136261u;
  for (const char *c = name; *c; c++) h = (h ^ (uint8_t)*c) * 16777619u;
  uint32_t i = h & (slots_count - 1);
  while (slots[i] && strcmp(names[slots[i] - 1], name)) i = (i + 1) & (slots_count - 1);
  return &slots[i];
}

static void read_names(const char *path) {
  FILE *file = fopen(path, "r");
  char name[256];
  if (!file) die(path);
  while (fgets(name, sizeof name, file)) {
    name[strcspn(name, "\n")] = 0;
    if (!*name) continue;
    names = room(names, (pvs + 1) * sizeof *names);
    names[pvs++] = strdup(name);
  }
  fclose(file);
  for (slots_count = 64; slots_count < 2 * pvs;) slots_count *= 2;
  slots = calloc(slots_count, sizeof *slots);
  if (!slots) die("memory");
  for (uint32_t i = 0; i < pvs; i++) *slot_of(names[i]) = i + 1;
}

/* --- messages --------------------------------------------------------------------------------- */

static struct header header(int command, size_t size, int type, int count, uint32_t first,
                            uint32_t second) {
  return (struct header){htons((uint16_t)command), htons((uint16_t)size), htons((uint16_t)type),
                         htons((uint16_t)count), htonl(first), htonl(second)};
}

static void put(struct client *c, const void *bytes, size_t n) {
  if (c->out_length + n > c->out_room)
    c->out = room(c->out, c->out_room = 2 * (c->out_length + n));
  memcpy(c->out + c->out_length, bytes, n);
  c->out_length += n;
}

static void put_header(struct client *c, int command, size_t size, int type, int count,
                       uint32_t first, uint32_t second) {
  struct header head = header(command, size, type, count, first, second);
  put(c, &head, sizeof head);
}

static void put_double(uint32_t *to, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  to[0] = htonl((uint32_t)(bits >> 32));
  to[1] = htonl((uint32_t)bits);
}

static struct update stamped(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  struct update update = {
      .header = header(EVENT_ADD, sizeof update.body, TIME_DOUBLE, 1, NORMAL, 0),
      .body = {.seconds = htonl((uint32_t)(now.tv_sec - EPICS_EPOCH)),
               .nanoseconds = htonl((uint32_t)now.tv_nsec)},
  };
  return update;
}

static double value_of(uint32_t pv) { return step * (double)(pv < next_pv ? pass : pass - 1); }

/* The answer to a subscription or a read. */
static void answer(struct client *c, int command, int type, uint32_t pv, uint32_t id) {
  if (type == TIME_DOUBLE) {
    struct update update = stamped();
    update.header = header(command, sizeof update.body, type, 1, NORMAL, id);
    put_double(update.body.value, value_of(pv));
    put(c, &update, sizeof update);
  } else if (type == CTRL_DOUBLE) {
    uint32_t body[22] = {0, htonl(3 << 16)}; /* alarm; a precision of 3; units; limits; value */
    memcpy(body + 2, "mm", 2);
    put_double(body + 20, value_of(pv));
    put_header(c, command, sizeof body, type, 1, NORMAL, id);
    put(c, body, sizeof body);
  } else {
    fprintf(stderr, "source: DBR type %d was asked for, which it does not have\n", type);
    exit(1);
  }
}

static void create(struct client *c, const char *name, uint32_t id) {
  uint32_t pv = *slot_of(name);
  if (!pv) return;
  put_header(c, ACCESS_RIGHTS, 0, 0, 0, id, ALL_RIGHTS);
  put_header(c, CREATE_CHAN, 0, DOUBLE, 1, id, pv - 1);
}

static void subscribe(struct client *c, int type, uint32_t pv, uint32_t id) {
  answer(c, EVENT_ADD, type, pv, id);
  if (type != TIME_DOUBLE) return; /* what does not change */
  c->subscribed += !c->subscriptions[pv];
  c->subscriptions[pv] = id + 1;
}

static void unsubscribe(struct client *c, int type, uint32_t pv, uint32_t id) {
  if (type == TIME_DOUBLE && c->subscriptions[pv]) {
    c->subscriptions[pv] = 0;
    c->subscribed--;
  }
  put_header(c, EVENT_ADD, 0, type, 1, pv, id);
}

static void attend(struct client *c, const struct header *head, char *body) {
  int command = ntohs(head->command), type = ntohs(head->type);
  size_t size = ntohs(head->size);
  uint32_t pv = ntohl(head->first), id = ntohl(head->second);
  bool is_of_pv = command == EVENT_ADD || command == EVENT_CANCEL || command == READ_NOTIFY;
  if (is_of_pv && pv >= pvs) return;
  switch (command) {
    case CREATE_CHAN:
      if (size) body[size - 1] = 0, create(c, body, pv);
      break;
    case EVENT_ADD: subscribe(c, type, pv, id); break;
    case EVENT_CANCEL: unsubscribe(c, type, pv, id); break;
    case READ_NOTIFY: answer(c, command, type, pv, id); break;
    case CLEAR_CHANNEL: put_header(c, command, 0, 0, 0, pv, id); break;
    case ECHO: put_header(c, command, 0, 0, 0, 0, 0); break;
    case EVENTS_OFF: c->off = true, switched_off++; break;
    case EVENTS_ON: c->off = false; break;
    default: break; /* names of host and user, and what a client of numbers does not ask */
  }
}

/* Calls a function with each whole message; returns how many bytes these had. */
static size_t each_message(uint8_t *bytes, size_t n, void *context,
                           void (*take)(void *, const struct header *, char *)) {
  size_t at = 0;
  struct header head;
  while (n - at >= sizeof head) {
    memcpy(&head, bytes + at, sizeof head);
    size_t whole = sizeof head + ntohs(head.size);
    if (n - at < whole) break;
    take(context, &head, (char *)bytes + at + sizeof head);
    at += whole;
  }
  return at;
}

/* --- searches --------------------------------------------------------------------------------- */

struct found {
  size_t length;
  uint8_t bytes[1024 + 64];
};

static void look_up(void *context, const struct header *head, char *body) {
  struct found *found = context;
  size_t size = ntohs(head->size);
  if (ntohs(head->command) != SEARCH || !size || found->length > 1024) return;
  body[size - 1] = 0;
  if (!*slot_of(body)) return;
  struct header answered = header(SEARCH, 8, port, 0, UINT32_MAX, ntohl(head->second));
  memcpy(found->bytes + found->length, &answered, sizeof answered);
  memset(found->bytes + found->length + sizeof answered, 0, 8);
  found->bytes[found->length + sizeof answered + 1] = MINOR;
  found->length += sizeof answered + 8;
}

static void search(int udp) {
  uint8_t datagram[65536];
  struct sockaddr_in from;
  socklen_t from_length = sizeof from;
  ssize_t n = recvfrom(udp, datagram, sizeof datagram, 0, (void *)&from, &from_length);
  if (n < 0) return;
  struct header version = header(VERSION, 0, 0, MINOR, 0, 0);
  struct found found = {sizeof version, {0}};
  memcpy(found.bytes, &version, sizeof version);
  each_message(datagram, (size_t)n, &found, look_up);
  if (found.length > sizeof version)
    sendto(udp, found.bytes, found.length, 0, (void *)&from, from_length);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void drop(struct client *c) {
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c->subscriptions);
  *c = (struct client){.fd = -1};
}

static void push(struct client *c) {
  size_t sent_length = 0;
  while (sent_length < c->out_length) {
    ssize_t n = send(c->fd, c->out + sent_length, c->out_length - sent_length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return drop(c);
    if (n < 0) break;
    sent_length += (size_t)n;
  }
  if (sent_length) memmove(c->out, c->out + sent_length, c->out_length -= sent_length);
}

static void take(void *context, const struct header *head, char *body) {
  attend(context, head, body);
}

static void pull(struct client *c) {
  if (c->in_room - c->in_length < 65536) c->in = room(c->in, c->in_room += 1 << 17);
  ssize_t n = recv(c->fd, c->in + c->in_length, c->in_room - c->in_length, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return drop(c);
  c->in_length += (size_t)n;
  size_t used = each_message(c->in, c->in_length, c, take);
  memmove(c->in, c->in + used, c->in_length -= used);
  push(c);
}

static void welcome(int listening) {
  int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
  if (fd < 0) return;
  for (struct client *c = clients; c < clients + CLIENTS; c++) {
    if (c->fd >= 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    *c = (struct client){.fd = fd, .subscriptions = calloc(pvs, sizeof *c->subscriptions)};
    if (!c->subscriptions) die("memory");
    put_header(c, VERSION, 0, 0, MINOR, 0, 0);
    push(c);
    return;
  }
  close(fd);
}

/* --- updates ---------------------------------------------------------------------------------- */

/* The updates of `due` PVs from `first` on, for one client. */
static void update_client(struct client *c, struct update update, uint32_t first, uint64_t due) {
  uint64_t count = pass;
  for (uint32_t pv = first; due; due--) {
    if (c->subscriptions[pv]) {
      if (c->off || c->out_length > UNSENT) {
        skipped++;
      } else {
        update.header.second = htonl(c->subscriptions[pv] - 1);
        put_double(update.body.value, step * (double)count);
        put(c, &update, sizeof update);
        sent++;
      }
    }
    if (++pv == pvs) pv = 0, count++;
  }
  push(c);
}

static void make_updates(uint64_t due) {
  struct update update = stamped();
  for (struct client *c = clients; c < clients + CLIENTS; c++)
    if (c->fd >= 0 && c->subscribed) update_client(c, update, next_pv, due);
  made += due;
  pass += (next_pv + due) / pvs;
  next_pv = (uint32_t)((next_pv + due) % pvs);
}

/* --- the run ---------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int bound(int type) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (fd < 0 || bind(fd, (void *)&here, sizeof here)) die("port");
  return fd;
}

/* Whether it goes on. */
static bool report(void) {
  char line[16];
  if (!fgets(line, sizeof line, stdin)) return false;
  printf("{\"at\":%.6f,\"made\":%llu,\"sent\":%llu,\"skipped\":%llu,\"events_off\":%llu}\n", now(),
         (unsigned long long)made, (unsigned long long)sent, (unsigned long long)skipped,
         (unsigned long long)switched_off);
  fflush(stdout);
  return true;
}

static void serve_clients(const struct pollfd *polled) {
  for (int i = 0; i < CLIENTS; i++) {
    struct client *c = &clients[i];
    if (c->fd >= 0 && polled[i].revents & POLLOUT) push(c);
    if (c->fd >= 0 && polled[i].revents & ~POLLOUT) pull(c);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return fputs("usage: source FILE PORT RATE\n", stderr), 2;
  port = atoi(argv[2]);
  double rate = atof(argv[3]), began = now();
  read_names(argv[1]);
  if (!pvs) return fputs("source: there are no names\n", stderr), 2;
  for (int i = 0; i < CLIENTS; i++) clients[i].fd = -1;
  int udp = bound(SOCK_DGRAM), tcp = bound(SOCK_STREAM), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
  if (listen(tcp, CLIENTS) || timerfd_settime(timer, 0, &every, NULL)) die("start");
  printf("READY\n");
  fflush(stdout);
  struct pollfd polled[OTHERS + CLIENTS] = {{0, POLLIN, 0}, {udp, POLLIN, 0}, {tcp, POLLIN, 0},
                                            {timer, POLLIN, 0}};
  for (;;) {
    for (int i = 0; i < CLIENTS; i++) {
      bool waits = clients[i].out_length;
      polled[OTHERS + i] = (struct pollfd){clients[i].fd, waits ? POLLIN | POLLOUT : POLLIN, 0};
    }
    if (poll(polled, OTHERS + CLIENTS, -1) < 0 && errno != EINTR) die("poll");
    if (polled[0].revents && !report()) return 0;
    if (polled[1].revents) search(udp);
    serve_clients(polled + OTHERS);
    if (polled[2].revents) welcome(tcp);
    uint64_t ticks;
    if (polled[3].revents && read(timer, &ticks, sizeof ticks) > 0) {
      double due = (now() - began) * rate - (double)made;
      if (due >= 1) make_updates((uint64_t)due);
    }
  }
}
