// The shortest digits of a number that read back as the same number. This is the only C++ here:
// std::to_chars takes 35 ns. C's standard library has no such function, and Python's stable
// interface has one for doubles only.
#include <charconv>

extern "C" int shortest_double(double value, char *out, int size) {
  auto [end, error] = std::to_chars(out, out + size, value, std::chars_format::scientific);
  return error == std::errc() ? static_cast<int>(end - out) : -1;
}

extern "C" int shortest_float(float value, char *out, int size) {
  auto [end, error] = std::to_chars(out, out + size, value, std::chars_format::scientific);
  return error == std::errc() ? static_cast<int>(end - out) : -1;
}
