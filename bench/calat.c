/* calat: a bare Channel Access client, the floor under the gateway's latency.
 *
 * It subscribes to every PV named in a file and takes the time from the IOC's stamp to the
 * callback of libca: what the IOC's scan burst and the network cost before a gateway sees a value.
 * It prints READY when all PVs have delivered, counts from the next line of stdin to the one after
 * it (or the end of stdin), and prints one JSON line.
 *
 * usage: calat FILE CONNECT_S (how long to wait for all PVs) LIMIT_S (for the whole run) */
#define _GNU_SOURCE
#include <cadef.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

#define EPICS_EPOCH 631152000 /* 1990 in UNIX seconds */

static struct histogram latency;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* libca has a thread per IOC */
static uint64_t events, delivered, asked;
static bool counting;

static double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_now(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void on_value(struct event_handler_args args) {
  const struct dbr_time_double *value = args.dbr;
  bool *seen = args.usr;
  if (args.status != ECA_NORMAL || !value) return;
  double stamp = (double)value->stamp.secPastEpoch + EPICS_EPOCH + value->stamp.nsec * 1e-9;
  pthread_mutex_lock(&lock);
  delivered += !*seen;
  *seen = true;
  if (counting && stamp > 1e9) {
    events++;
    histogram_add(&latency, clock_now() - stamp);
  }
  pthread_mutex_unlock(&lock);
}

static void subscribe(const char *name) {
  chid channel;
  bool *seen = calloc(1, sizeof *seen);
  if (ca_create_channel(name, NULL, NULL, CA_PRIORITY_DEFAULT, &channel) != ECA_NORMAL ||
      ca_create_subscription(DBR_TIME_DOUBLE, 1, channel, DBE_VALUE | DBE_ALARM, on_value, seen,
                             NULL) != ECA_NORMAL)
    exit(1);
  asked++;
}

static void subscribe_all(const char *path) {
  FILE *file = fopen(path, "r");
  char name[256];
  if (!file) exit(1);
  while (fgets(name, sizeof name, file)) {
    name[strcspn(name, "\n")] = 0;
    if (*name) subscribe(name);
  }
  fclose(file);
  ca_flush_io();
}

static bool delivered_all(void) {
  pthread_mutex_lock(&lock);
  bool all = delivered == asked;
  pthread_mutex_unlock(&lock);
  return all;
}

static void count(bool on) {
  pthread_mutex_lock(&lock);
  counting = on;
  pthread_mutex_unlock(&lock);
}

static void await_line(void) {
  for (int c = getchar(); c != EOF && c != '\n';) c = getchar();
}

int main(int argc, char **argv) {
  if (argc < 4 || ca_context_create(ca_enable_preemptive_callback) != ECA_NORMAL) return 2;
  double began = clock_now();
  alarm((unsigned)atoi(argv[3]));
  subscribe_all(argv[1]);
  while (!delivered_all() && clock_now() < began + atof(argv[2])) usleep(10000);
  printf("READY\n");
  fflush(stdout);
  await_line();
  double start = clock_now(), cpu = cpu_now();
  count(true);
  await_line();
  count(false);
  double seconds = clock_now() - start;
  printf("{\"asked\":%llu,\"delivered\":%llu,\"seconds\":%.3f,\"events\":%llu,\"cpu_s\":%.4f,",
         (unsigned long long)asked, (unsigned long long)delivered, seconds,
         (unsigned long long)events, cpu_now() - cpu);
  histogram_print("latency_ms", &latency);
  printf("}\n");
  fflush(stdout);
  _exit(0); /* the IOC cleans up; clearing 10,000 channels is not what is measured */
}
