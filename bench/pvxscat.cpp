/* pvxscat: a bare pvAccess client on pvxs, beside which bench/pva.py puts the gateway's own.
 *
 * It subscribes to b:0, b:1 ... and takes every update and its time stamp. When all PVs have
 * delivered it waits two seconds, counts, and prints one JSON line.
 *
 * usage: pvxscat PVS SECONDS */
#include <pvxs/client.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

using pvxs::client::Subscription;

static std::atomic<uint64_t> events{0};
static std::atomic<unsigned> connected{0};
static std::atomic<bool> counting{false};
/* Of every 97th update; pvxs calls from one thread for each server, and there is one. */
static std::vector<double> latencies;

static double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(void) {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static double resident(void) {
  double pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*f %lf", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * (double)sysconf(_SC_PAGE_SIZE);
}

static void take(Subscription &subscription, bool &seen) {
  for (;;) {
    try {
      pvxs::Value update = subscription.pop();
      if (!update) return;
      double value = update["value"].as<double>();
      double stamp = (double)update["timeStamp.secondsPastEpoch"].as<int64_t>() +
                     update["timeStamp.nanoseconds"].as<int32_t>() * 1e-9;
      update["alarm.severity"].as<int32_t>();
      if (!seen) connected++;
      seen = true;
      uint64_t number = events++;
      if (counting && number % 97 == 0 && value >= 0) latencies.push_back(seconds(CLOCK_REALTIME) - stamp);
    } catch (pvxs::client::Connected &) {
    } catch (std::exception &) {
      /* Disconnected, or an error of the server: the next pop tells more. */
    }
  }
}

static double part(double p) {
  if (latencies.empty()) return 0;
  size_t at = (size_t)(p * (double)(latencies.size() - 1));
  std::nth_element(latencies.begin(), latencies.begin() + (long)at, latencies.end());
  return latencies[at] * 1000;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  unsigned pvs = (unsigned)atoi(argv[1]);
  double length = atof(argv[2]);
  auto context = pvxs::client::Context::fromEnv();
  double memory = resident(), started = seconds(CLOCK_MONOTONIC);
  std::vector<std::shared_ptr<Subscription>> subscriptions;
  for (unsigned n = 0; n < pvs; n++) {
    auto seen = std::make_shared<bool>(false);
    subscriptions.push_back(context.monitor("b:" + std::to_string(n))
                                .event([seen](Subscription &subscription) { take(subscription, *seen); })
                                .exec());
  }
  while (connected < pvs) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  double took = seconds(CLOCK_MONOTONIC) - started;
  sleep(2);
  uint64_t before = events;
  double used = cpu(), begun = seconds(CLOCK_MONOTONIC);
  counting = true;
  usleep((useconds_t)(length * 1e6));
  counting = false;
  double counted = (double)(events - before), lasted = seconds(CLOCK_MONOTONIC) - begun;
  used = cpu() - used;
  usleep(200000);
  printf("{\"connected_s\": %.2f, \"events_per_s\": %.0f, \"cpu_us_per_event\": %.2f, \"cores\": %.3f, "
         "\"kib_per_channel\": %.2f, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n",
         took, counted / lasted, used / std::max(counted, 1.0) * 1e6, used / lasted,
         (resident() - memory) / pvs / 1024, part(0.5), part(0.99));
  fflush(stdout);
  _exit(0);
}
