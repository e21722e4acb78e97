/* load: a WebSocket load client that costs little beside the server that it measures.
 *
 * One thread and one epoll. Every client reads into the same buffer, which therefore stays in the
 * cache; only the incomplete frame at its end is kept per client. Frames are counted by walking
 * their headers. The text inside is looked into for one frame in `-k` (latency), and for all
 * frames only while a client still waits for the first value of some PV, or with `-g`. With `-z`
 * clients agree on compression, and one of them inflates what it gets.
 *
 * It prints one JSON line when counting begins, and one with the results when it ends. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "histogram.h"

#define BUFFER (256u << 10)  /* bytes read at once: fits the second-level cache */
#define LOOK_MAX (256u << 10) /* longer frames are counted and skipped, never held whole */
#define INFLATED (1u << 20)  /* bytes of an inflated message */
#define HANDSHAKES 32u       /* handshakes under way at one time */
#define NO_PV UINT32_MAX

enum state { CONNECTING, OPEN, CLOSED };

/* What one client, or all that share a file, asks for: masked frames ready to send. */
struct page {
  uint8_t *bytes;
  size_t length;
  uint32_t *pvs, count;
};

struct client {
  int fd;
  SSL *tls; /* NULL: without */
  enum state state;
  bool slow;
  struct page *page;
  size_t sent;         /* bytes of the page */
  uint8_t *tail;       /* the incomplete frame at the end of the last read */
  uint32_t tail_length, tail_room;
  uint64_t skip;       /* bytes still to come of a frame too long to look into */
  uint64_t frames, bytes;
  uint32_t unseen;     /* PVs whose first value has not come */
  uint64_t *seen;      /* a bit per PV name */
  double *last;        /* with -g: the last value per PV name */
  uint8_t pong[140];
  uint32_t pong_length;
};

static struct {
  const char *host, *path, *pattern;
  int port;
  uint32_t clients, slow, every;
  double open_s, warm_s, count_s, step;
  bool ping, deflate, tls, until_eof;
} options = {"127.0.0.1", "/monitor", NULL, 8888, 1, 0, 97, 30, 2, 10, 0, false, false, false, false};

static struct client *clients;
static struct client *pinger; /* the client whose pings are timed, whose messages are counted */
static SSL_CTX *tls;
static z_stream inflater; /* of that client */
static uint8_t inflated[INFLATED];
static uint8_t buffer[BUFFER + LOOK_MAX + 16];
static int poller;
static double now;
static bool counting, over;
static uint32_t started, handshaking, opened, waiting, closed, countdown;
static uint64_t gaps, backward, pings, pongs, messages;
static int close_code;
static double oldest_ping; /* when the first ping still unanswered was sent; 0: none */
static struct histogram latency, round_trip;

static double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *room(void *old, size_t size) {
  void *new = realloc(old, size);
  if (!new) die("memory");
  return new;
}

/* --- PV names: an open hash of every name in the subscription files --------------------------- */

static struct name {
  const char *text;
  uint32_t length;
} *names;
static uint32_t *slots, names_count, slots_count;

static uint32_t hash(const char *s, size_t n) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 16777619u;
  return h;
}

static uint32_t *slot_of(const char *s, size_t n) {
  uint32_t i = hash(s, n) & (slots_count - 1);
  while (slots[i] != NO_PV &&
         (names[slots[i]].length != n || memcmp(names[slots[i]].text, s, n)))
    i = (i + 1) & (slots_count - 1);
  return &slots[i];
}

static void grow_names(void) {
  slots_count = slots_count ? 2 * slots_count : 1024;
  slots = room(slots, slots_count * sizeof *slots);
  names = room(names, slots_count / 2 * sizeof *names);
  memset(slots, 0xff, slots_count * sizeof *slots);
  for (uint32_t i = 0; i < names_count; i++) *slot_of(names[i].text, names[i].length) = i;
}

static uint32_t name_index(const char *s, size_t n) {
  if (2 * (names_count + 1) > slots_count) grow_names();
  uint32_t *slot = slot_of(s, n);
  if (*slot == NO_PV) {
    names[names_count] = (struct name){strndup(s, n), (uint32_t)n};
    *slot = names_count++;
  }
  return *slot;
}

/* The string after `key` (which ends with its colon) and where it ends; NULL if there is none. */
static const char *quoted(const char *s, size_t n, const char *key, const char **end) {
  const char *begin = memmem(s, n, key, strlen(key)), *stop = s + n;
  if (!begin) return NULL;
  for (begin += strlen(key); begin < stop && *begin == ' ';) begin++;
  if (begin == stop || *begin++ != '"') return NULL;
  for (*end = begin; *end < stop && **end != '"'; ++*end)
    if (**end == '\\') ++*end;
  return *end < stop ? begin : NULL;
}

/* --- pages ------------------------------------------------------------------------------------ */

/* Has a first value of a PV waited for. */
static void page_expect(struct page *page, const char *name, const char *end) {
  if (!(page->count & (page->count - 1)))
    page->pvs = room(page->pvs, 2 * (page->count + 1) * sizeof *page->pvs);
  page->pvs[page->count++] = name_index(name, (size_t)(end - name));
}

static void page_add(struct page *page, const char *line, size_t n) {
  page->bytes = room(page->bytes, page->length + n + 16);
  uint8_t *out = page->bytes + page->length;
  size_t head = n < 126 ? 2 : 4;
  out[0] = 0x81;
  out[1] = (uint8_t)(0x80 | (n < 126 ? n : 126));
  if (head == 4) out[2] = (uint8_t)(n >> 8), out[3] = (uint8_t)n;
  memset(out + head, 0, 4); /* a mask of zeros: the text stays as it is */
  memcpy(out + head + 4, line, n);
  page->length += head + 4 + n;
  const char *end, *name = quoted(line, n, "\"pv\":", &end);
  bool is_list = !name && (name = quoted(line, n, "\"pvs\":[", &end));
  if (!name && *line != '{') name = line, end = line + n;
  if (!name) return;
  page_expect(page, name, end);
  const char *stop = line + n;
  while (is_list && end + 2 < stop && end[1] == ',') {
    name = quoted(end + 1, (size_t)(stop - end) - 1, ",", &end);
    if (!name) break;
    page_expect(page, name, end);
  }
}

static struct page *page_read(const char *path) {
  struct page *page = room(NULL, sizeof *page);
  memset(page, 0, sizeof *page);
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  char *line = NULL;
  size_t size = 0;
  for (ssize_t n; (n = getline(&line, &size, file)) > 0;) {
    while (n && line[n - 1] == '\n') n--;
    if (n > 65535) errno = EMSGSIZE, die(path);
    if (n) page_add(page, line, (size_t)n);
  }
  free(line);
  fclose(file);
  return page;
}

/* A `%d` in the pattern stands for the number of the client: each has a file of its own. */
static void read_pages(void) {
  const char *number = strstr(options.pattern, "%d");
  struct page *shared = number ? NULL : page_read(options.pattern);
  for (uint32_t i = 0; i < options.clients; i++) {
    char path[4096];
    if (number)
      snprintf(path, sizeof path, "%.*s%u%s", (int)(number - options.pattern), options.pattern, i,
               number + 2);
    clients[i].page = shared ? shared : page_read(path);
  }
}

/* --- what stands in a frame ------------------------------------------------------------------- */

static void look_latency(const uint8_t *payload, size_t n, double received) {
  static const char key[] = "\"timestamp\":";
  static const char seconds[] = "\"seconds\":", nanos[] = "\"nanos\":"; /* PVWS */
  const char *at = memmem(payload, n, key, sizeof key - 1);
  double stamp;
  if (at) {
    stamp = strtod(at + sizeof key - 1, NULL);
  } else {
    at = memmem(payload, n, seconds, sizeof seconds - 1);
    const char *rest = memmem(payload, n, nanos, sizeof nanos - 1);
    if (!at || !rest) return;
    stamp = strtod(at + sizeof seconds - 1, NULL) + 1e-9 * strtod(rest + sizeof nanos - 1, NULL);
  }
  if (stamp > 1e9) histogram_add(&latency, received - stamp); /* 1970 or 1990: never processed */
}

static void look_gap(struct client *c, uint32_t pv, const uint8_t *payload, size_t n) {
  static const char key[] = "\"value\":";
  const char *at = memmem(payload, n, key, sizeof key - 1);
  double value = at ? strtod(at + sizeof key - 1, NULL) : NAN, last = c->last[pv];
  c->last[pv] = value;
  if (!counting || isnan(last) || isnan(value)) return;
  if (value <= last) backward++;
  else if (value - last > 1.5 * options.step)
    gaps += (uint64_t)((value - last) / options.step - 0.5); /* as many values are missing */
}

/* Takes note of the first value of a PV, and of what is missing between its values. */
static void look_value(struct client *c, const uint8_t *payload, size_t n) {
  if (!memmem(payload, n, "\"value\":", 8)) return;
  const char *end, *name = quoted((const char *)payload, n, "\"pvname\":", &end);
  if (!name) name = quoted((const char *)payload, n, "\"pv\":", &end);
  uint32_t pv = name && slots_count ? *slot_of(name, (size_t)(end - name)) : NO_PV;
  if (pv == NO_PV) return;
  if (c->last) look_gap(c, pv, payload, n);
  uint64_t bit = 1ull << (pv & 63);
  if (c->seen[pv >> 6] & bit) return;
  c->seen[pv >> 6] |= bit;
  if (c->unseen && !--c->unseen) waiting--;
}

static void close_client(struct client *c) {
  if (c->state == CONNECTING) handshaking--;
  if (c->state != CLOSED) closed++;
  c->state = CLOSED;
  epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
}

/* Like write and recv, by TLS or without. */
static ssize_t put(struct client *c, const void *bytes, size_t n) {
  if (!c->tls) return write(c->fd, bytes, n);
  int written = SSL_write(c->tls, bytes, (int)n);
  if (written <= 0) errno = SSL_get_error(c->tls, written) < SSL_ERROR_SYSCALL ? EAGAIN : EPIPE;
  return written > 0 ? written : -1;
}

static ssize_t get(struct client *c, uint8_t *to, size_t n) {
  if (!c->tls) return recv(c->fd, to, n, 0);
  size_t have = 0;
  int more = 1;
  while (have < n && (more = SSL_read(c->tls, to + have, (int)(n - have))) > 0)
    have += (size_t)more;
  if (have) return (ssize_t)have;
  errno = EAGAIN;
  return SSL_get_error(c->tls, more) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void send_pong(struct client *c) {
  if (!c->pong_length || c->sent < c->page->length) return;
  if (put(c, c->pong, c->pong_length) < 0 && errno != EAGAIN) close_client(c);
  c->pong_length = 0;
}

static void control(struct client *c, int opcode, const uint8_t *payload, size_t n) {
  if (opcode == 8) {
    if (n >= 2) close_code = payload[0] << 8 | payload[1];
    close_client(c);
  } else if (opcode == 9 && n < 126) {
    memcpy(c->pong, (uint8_t[]){0x8a, (uint8_t)(0x80 | n), 0, 0, 0, 0}, 6);
    memcpy(c->pong + 6, payload, n);
    c->pong_length = (uint32_t)n + 6;
    send_pong(c);
  } else if (opcode == 10 && n == sizeof(double)) {
    double sent;
    memcpy(&sent, payload, sizeof sent);
    histogram_add(&round_trip, clock_now() - sent);
    oldest_ping = ++pongs == pings ? 0 : sent + 1;
  }
}

/* The length of the first message of a frame, which may be an array of them. */
static size_t message(const uint8_t *p, size_t n) {
  static const char begin[] = "{\"msg_type\":";
  const uint8_t *next = n ? memmem(p + 1, n - 1, begin, sizeof begin - 1) : NULL;
  return next ? (size_t)(next - p) : n;
}

static void sample(const uint8_t *payload, size_t n, double received) {
  if (--countdown) return;
  countdown = options.every;
  look_latency(payload, n, received);
}

static void data(struct client *c, const uint8_t *payload, size_t n, double received) {
  if (n && *payload == '[') payload++, n--;
  if (c->unseen || c->last || c == pinger) {
    const uint8_t *end = payload + n;
    size_t length;
    for (const uint8_t *p = payload; p < end; p += length) {
      length = message(p, (size_t)(end - p));
      if (c->unseen || c->last) look_value(c, p, length);
      if (c == pinger && counting) messages++, sample(p, length, received);
    }
  }
  if (c != pinger && counting) sample(payload, n, received);
}

static void compressed(struct client *c, const uint8_t *payload, size_t n, double received) {
  static uint8_t end[] = {0, 0, 0xff, 0xff};
  if (c != pinger) return;
  inflater.next_out = inflated, inflater.avail_out = INFLATED;
  inflater.next_in = (uint8_t *)payload, inflater.avail_in = (uint32_t)n;
  int failed = inflate(&inflater, Z_SYNC_FLUSH);
  inflater.next_in = end, inflater.avail_in = sizeof end;
  if (failed || (inflate(&inflater, Z_SYNC_FLUSH) != Z_OK) || inflater.avail_in)
    errno = EPROTO, die("inflate");
  data(c, inflated, INFLATED - inflater.avail_out, received);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* The length of the header at p, and in *n that of its payload; 0 if it is not there whole. */
static inline size_t header(const uint8_t *p, size_t left, uint64_t *n) {
  if (left < 2) return 0;
  *n = p[1] & 127;
  if (*n < 126) return 2;
  if (*n == 126) {
    *n = (uint64_t)p[2] << 8 | p[3];
    return left < 4 ? 0 : 4;
  }
  if (left < 10) return 0;
  *n = 0;
  for (int i = 2; i < 10; i++) *n = *n << 8 | p[i];
  return 10;
}

static inline void count(struct client *c, int opcode, uint64_t bytes) {
  if (!counting || opcode > 2) return;
  c->frames += opcode != 0; /* 0 goes on with a message that is counted already */
  c->bytes += bytes;
}

static void keep(struct client *c, const uint8_t *p, size_t n) {
  if (n > c->tail_room) c->tail = room(c->tail, c->tail_room = (uint32_t)n + 256);
  if (n) memcpy(c->tail, p, n);
  c->tail_length = (uint32_t)n;
}

static void walk(struct client *c, const uint8_t *p, const uint8_t *end, double received) {
  uint64_t over = c->skip < (uint64_t)(end - p) ? c->skip : (uint64_t)(end - p), n;
  c->skip -= over;
  p += over;
  for (size_t head; (head = header(p, (size_t)(end - p), &n)); p += head + n) {
    int opcode = p[0] & 15;
    uint64_t left = (uint64_t)(end - p) - head;
    if (n > left && n <= LOOK_MAX) break;
    count(c, opcode, head + n);
    if (n > left) {
      c->skip = n - left;
      p = end;
      break;
    }
    if (opcode < 3 && *p & 0x40) compressed(c, p + head, n, received);
    else if (opcode < 3) data(c, p + head, n, received);
    else control(c, opcode, p + head, n);
    if (c->state == CLOSED) return;
  }
  keep(c, p, (size_t)(end - p));
}

/* --- sockets ---------------------------------------------------------------------------------- */

static void watch(struct client *c, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, how, c->fd, &event)) die("epoll");
}

static void start(struct client *c) {
  int size = 4096;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  inet_pton(AF_INET, options.host, &to.sin_addr);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  if (c->slow) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  c->state = CONNECTING;
  started++, handshaking++;
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
  watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

/* The handshake blocks: nothing is measured yet. */
static void encrypt(struct client *c) {
  int flags = fcntl(c->fd, F_GETFL);
  fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK);
  c->tls = SSL_new(tls);
  if (!c->tls || !SSL_set_fd(c->tls, c->fd) || SSL_connect(c->tls) != 1) {
    errno = EPROTO;
    die("TLS");
  }
  fcntl(c->fd, F_SETFL, flags);
}

static void ask(struct client *c) {
  char text[600];
  if (options.tls) encrypt(c);
  int n = snprintf(text, sizeof text,
                   "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: cHljYXNlcnZlciBiZW5jaA==\r\n"
                   "Sec-WebSocket-Version: 13\r\nOrigin: http%s://%s:%d\r\n%s\r\n",
                   options.path, options.host, options.port, options.tls ? "s" : "", options.host,
                   options.port,
                   options.deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
  if (put(c, text, (size_t)n) != n) die("handshake");
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void push(struct client *c) {
  ssize_t n = 0;
  if (c->sent < c->page->length)
    n = put(c, c->page->bytes + c->sent, c->page->length - c->sent);
  if (n < 0 && errno != EAGAIN) return close_client(c);
  if (n > 0) c->sent += (size_t)n;
  bool done = c->sent == c->page->length;
  uint32_t in = c->slow ? 0 : EPOLLIN;
  watch(c, done ? in : in | EPOLLOUT, EPOLL_CTL_MOD);
  if (done) send_pong(c);
}

/* Reads the answer to the handshake; returns where the first frame begins, or NULL. */
static uint8_t *upgrade(struct client *c, uint8_t *end) {
  uint8_t *blank = memmem(buffer, (size_t)(end - buffer), "\r\n\r\n", 4);
  if (!blank) {
    if (end - buffer > 4096) close_client(c);
    else keep(c, buffer, (size_t)(end - buffer));
    return NULL;
  }
  if (!memmem(buffer, (size_t)(blank - buffer), " 101 ", 5)) {
    fprintf(stderr, "load: not upgraded: %.60s\n", buffer);
    close_client(c);
    return NULL;
  }
  if (options.deflate && !memmem(buffer, (size_t)(blank - buffer), "permessage-deflate", 18))
    errno = EPROTO, die("no compression");
  c->state = OPEN;
  handshaking--, opened++;
  push(c);
  return blank + 4;
}

static void pull(struct client *c) {
  uint32_t kept = c->tail_length;
  if (kept) memcpy(buffer, c->tail, kept);
  ssize_t n = get(c, buffer + kept, BUFFER);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return close_client(c);
  double received = clock_now();
  uint8_t *begin = buffer, *end = buffer + kept + n;
  c->tail_length = 0;
  if (c->state == CONNECTING) begin = upgrade(c, end);
  if (begin && c->state == OPEN) walk(c, begin, end, received);
  if (c->tls && c->state != CLOSED && SSL_pending(c->tls)) pull(c);
}

static void ping(void) {
  uint8_t frame[14] = {0x89, 0x88};
  if (!pinger || pinger->state != OPEN || pinger->sent < pinger->page->length) return;
  memcpy(frame + 6, &now, sizeof now);
  if (put(pinger, frame, sizeof frame) != sizeof frame) return;
  if (pings++ == pongs) oldest_ping = now;
}

static void turn(void) {
  struct epoll_event events[256];
  /* Those by TLS block: the last one must not wait until it is late. */
  uint32_t most = options.tls ? 2 : HANDSHAKES;
  while (started < options.clients && handshaking < most) start(&clients[started]);
  int n = epoll_wait(poller, events, 256, 10);
  for (int i = 0; i < n; i++) {
    struct client *c = events[i].data.ptr;
    uint32_t what = events[i].events;
    if (!c) {
      over = true; /* standard input has ended */
      continue;
    }
    if (what & EPOLLOUT && c->state == CONNECTING) ask(c);
    else if (what & EPOLLOUT && c->state == OPEN) push(c);
    if (what & ~EPOLLOUT && c->state == OPEN && c->slow) close_client(c);
    else if (what & ~EPOLLOUT && c->state != CLOSED) pull(c);
  }
  now = clock_now();
}

/* Serves the sockets until the time is up or, if asked, every PV has shown its first value. */
static void serve(double until, bool opening) {
  static double next_ping;
  do {
    turn();
    if (options.ping && !opening && now >= next_ping) {
      ping();
      next_ping = now + 1;
    }
  } while (now < until && !over && !(opening && started == options.clients && !handshaking && !waiting));
}

/* --- the run ---------------------------------------------------------------------------------- */

static double cpu_now(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void prepare(void) {
  clients = room(NULL, options.clients * sizeof *clients);
  memset(clients, 0, options.clients * sizeof *clients);
  read_pages();
  for (uint32_t i = 0; i < options.clients; i++) {
    struct client *c = &clients[i];
    c->seen = room(NULL, (names_count / 64 + 1) * 8);
    memset(c->seen, 0, (names_count / 64 + 1) * 8);
    c->slow = i < options.slow;
    if (!c->slow && !pinger) pinger = c;
    /* With -z, only one client sees what it gets. */
    if (!c->slow && (!options.deflate || c == pinger) && (c->unseen = c->page->count)) waiting++;
    if (c->slow || !options.step) continue;
    c->last = room(NULL, (names_count + 1) * sizeof *c->last);
    for (uint32_t pv = 0; pv < names_count; pv++) c->last[pv] = NAN;
  }
  countdown = options.every;
  if (inflateInit2(&inflater, -15) != Z_OK) die("inflate");
  if (options.tls && !(tls = SSL_CTX_new(TLS_client_method()))) die("TLS");
  if (tls) SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if ((poller = epoll_create1(0)) < 0) die("epoll");
  struct epoll_event event = {.events = EPOLLIN};
  if (options.until_eof && epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event)) die("standard input");
}

static void report(double seconds, double cpu) {
  uint64_t frames = 0, bytes = 0, least = UINT64_MAX, most = 0;
  for (uint32_t i = 0; i < options.clients; i++) {
    if (clients[i].slow) continue;
    frames += clients[i].frames, bytes += clients[i].bytes;
    if (clients[i].frames < least) least = clients[i].frames;
    if (clients[i].frames > most) most = clients[i].frames;
  }
  printf("{\"phase\":\"done\",\"clients\":%u,\"slow\":%u,\"opened\":%u,\"closed\":%u,"
         "\"close_code\":%d,\"seconds\":%.3f,\"frames\":%llu,\"frames_per_s\":%.1f,"
         "\"bytes_per_s\":%.0f,\"messages_per_s\":%.1f,\"min_client\":%llu,\"max_client\":%llu,\"gaps\":%llu,"
         "\"backward\":%llu,\"pings\":%llu,\"pongs\":%llu,\"ping_waits_ms\":%.1f,\"cpu_s\":%.3f,",
         options.clients, options.slow, opened, closed, close_code, seconds,
         (unsigned long long)frames, (double)frames / seconds, (double)bytes / seconds,
         (double)messages * (options.clients - options.slow) / seconds,
         (unsigned long long)(most ? least : 0), (unsigned long long)most,
         (unsigned long long)gaps, (unsigned long long)backward, (unsigned long long)pings,
         (unsigned long long)pongs, oldest_ping ? 1e3 * (now - oldest_ping) : 0, cpu);
  histogram_print("latency_ms", &latency);
  printf(",");
  histogram_print("ping_ms", &round_trip);
  printf("}\n");
}

static void usage(void) {
  fprintf(stderr,
          "usage: load -s SUBSCRIPTIONS [-h HOST] [-p PORT] [-u PATH] [-n CLIENTS] [-S SLOW]\n"
          "  SUBSCRIPTIONS: a file, one message a line; %%d in its name: the client's number\n"
          "  -S the first SLOW clients never read       -o seconds to wait for all first values\n"
          "  -w seconds to settle    -t seconds to count    -k look at one frame in K (latency)\n"
          "  -g STEP count values that are missing between those of a PV    -P time a ping each second\n"
          "  -z agree on compression    -T by TLS    -e end when standard input does\n");
  exit(2);
}

static void parse(int argc, char **argv) {
  for (int o; (o = getopt(argc, argv, "h:p:u:n:s:S:o:w:t:k:g:PzTe")) != -1;) switch (o) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = atoi(optarg); break;
      case 'u': options.path = optarg; break;
      case 'n': options.clients = (uint32_t)atoi(optarg); break;
      case 's': options.pattern = optarg; break;
      case 'S': options.slow = (uint32_t)atoi(optarg); break;
      case 'o': options.open_s = atof(optarg); break;
      case 'w': options.warm_s = atof(optarg); break;
      case 't': options.count_s = atof(optarg); break;
      case 'k': options.every = (uint32_t)atoi(optarg); break;
      case 'g': options.step = atof(optarg); break;
      case 'P': options.ping = true; break;
      case 'z': options.deflate = true; break;
      case 'T': options.tls = true; break;
      case 'e': options.until_eof = true; break;
      default: usage();
    }
  if (!options.pattern || !options.clients || !options.every) usage();
}

int main(int argc, char **argv) {
  parse(argc, argv);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  alarm((unsigned)(options.open_s + options.warm_s + options.count_s) + 60);
  prepare();
  double began = now = clock_now();
  serve(began + options.open_s, true);
  double first = now - began;
  bool whole = !waiting && !handshaking && !closed;
  serve(now + options.warm_s, false);
  printf("{\"phase\":\"counting\",\"opened\":%u,\"opening_s\":%.3f,\"first_values_s\":", opened,
         first);
  printf(whole ? "%.3f}\n" : "null}\n", first);
  fflush(stdout);
  double start_s = clock_now(), cpu = cpu_now();
  counting = true;
  serve(start_s + options.count_s, false);
  report(clock_now() - start_s, cpu_now() - cpu);
  return 0;
}
