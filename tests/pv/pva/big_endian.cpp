// A server whose messages are big-endian: PVs `number`, `numbers` and `label`. Each line of stdin posts another value.
#define PVXS_ENABLE_EXPERT_API
#include <cstdint>
#include <iostream>
#include <string>

#include <pvxs/nt.h>
#include <pvxs/server.h>
#include <pvxs/sharedpv.h>

namespace nt = pvxs::nt;
using pvxs::TypeCode;

static pvxs::server::SharedPV add(pvxs::server::Server& server, const char* name, const pvxs::Value& initial) {
  auto pv = pvxs::server::SharedPV::buildMailbox();
  pv.open(initial);
  server.addPV(name, pv);
  return pv;
}

static pvxs::shared_array<const void> numbers(double first) {
  pvxs::shared_array<double> list(3, first);
  return list.freeze().castTo<const void>();
}

int main() {
  auto config = pvxs::server::Config::fromEnv();
  config.overrideSendBE(true);
  auto server = config.build();
  auto number = nt::NTScalar{TypeCode::Float64, true, true}.create();
  auto list = nt::NTScalar{TypeCode::Float64A}.create();
  auto label = nt::NTEnum{}.create();
  number["value"] = 1.5;
  number["alarm.severity"] = 2;
  number["alarm.message"] = "HIHI";
  number["timeStamp.secondsPastEpoch"] = int64_t(1700000000);
  number["timeStamp.nanoseconds"] = 123456789;
  number["display.units"] = "mm";
  list["value"] = numbers(1.25);
  label["value.index"] = 1;
  pvxs::shared_array<const std::string> choices({"off", "on"});
  label["value.choices"] = choices;
  auto number_pv = add(server, "number", number);
  auto numbers_pv = add(server, "numbers", list);
  auto label_pv = add(server, "label", label);
  server.start();
  std::cout << "READY" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    auto next = number.cloneEmpty();
    next["value"] = std::stod(line);
    number_pv.post(next);
    next = list.cloneEmpty();
    next["value"] = numbers(std::stod(line));
    numbers_pv.post(next);
    next = label.cloneEmpty();
    next["value.index"] = 0;
    label_pv.post(next);
    std::cout << "READY" << std::endl;
  }
}
