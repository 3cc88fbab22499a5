// Between two attempts: until the old link is gone, then the back-off, ended early by a sign that another try
// is worth it.
#pragma once
#include <chrono>
#include <stop_token>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

// Until Connected=false, 5 s at most; then what is still up is a phantom. Ok, or cancelled.
Task<Outcome<>> until_link_down(Radio& radio, DeviceWatch* watch, std::stop_token stop);

// The back-off. `watch` may be null: the device was not found. Ok, or cancelled.
Task<Outcome<>> back_off(Radio& radio, DeviceWatch* watch, std::chrono::milliseconds delay,
                         std::stop_token stop);

}  // namespace bleconnd
