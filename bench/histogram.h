/* A latency histogram of constant size: 100 buckets per factor of e, so that a percentile is
 * within 1 %, from 1 microsecond to an hour. It keeps every sample of a run of any length; a list
 * of samples would either grow or prefer the beginning. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#define BUCKETS 2200
#define LEAST 1e-6 /* seconds */

struct histogram {
  uint64_t counts[BUCKETS], n;
  double max;
};

static inline void histogram_add(struct histogram *h, double seconds) {
  double place = seconds > LEAST ? 100 * log(seconds / LEAST) : 0;
  h->counts[place < BUCKETS - 1 ? (int)place : BUCKETS - 1]++;
  h->n++;
  if (seconds > h->max) h->max = seconds;
}

/* Milliseconds below which `share` of the samples lie: the middle of their bucket. */
static inline double histogram_at(const struct histogram *h, double share) {
  uint64_t wanted = (uint64_t)ceil(share * (double)h->n), sum = 0;
  for (int i = 0; i < BUCKETS; i++)
    if ((sum += h->counts[i]) >= wanted && sum) {
      double middle = LEAST * exp((i + 0.5) / 100);
      return 1e3 * (middle < h->max ? middle : h->max);
    }
  return 1e3 * h->max;
}

/* Prints `"name":{"n":…,"p50":…,"p95":…,"p99":…,"max":…}` in milliseconds, or null if empty. */
static inline void histogram_print(const char *name, const struct histogram *h) {
  if (!h->n) {
    printf("\"%s\":null", name);
    return;
  }
  printf("\"%s\":{\"n\":%llu,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name,
         (unsigned long long)h->n, histogram_at(h, .50), histogram_at(h, .95),
         histogram_at(h, .99), 1e3 * h->max);
}
#endif
