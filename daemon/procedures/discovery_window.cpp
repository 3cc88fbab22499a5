// A session counts for one power epoch of its adapter: BlueZ ends it with the power.
#include "procedures/discovery_window.hpp"

#include <algorithm>

namespace bleconnd {

void DiscoveryWindow::keep(const std::function<bool(const AdapterState&)>& wanted) {
  std::erase_if(open_, [&](const auto& open) {
    const auto* adapter = bluez_.stack().adapter(open.first);
    return !adapter || !adapter->powered || adapter->power_epoch != open.second.power_epoch ||
           !wanted(*adapter);
  });
}

void DiscoveryWindow::open(const AdapterState& adapter) {
  auto token = discovery_.join(adapter.path);
  const auto deaf_before = token.deaf(executor_.now());
  open_.emplace(adapter.path, Session{adapter.power_epoch, std::move(token), deaf_before});
}

std::vector<std::string> DiscoveryWindow::adapters() const {
  std::vector<std::string> paths;
  paths.reserve(open_.size());
  for (auto& [path, open] : open_) paths.push_back(path);
  return paths;
}

Duration DiscoveryWindow::deaf() const {
  auto least = Duration::max();
  for (auto& [path, open] : open_)
    least = std::min(least, open.token.deaf(executor_.now()) - open.deaf_before);
  return open_.empty() ? Duration{} : least;
}

std::vector<Discovery::Token> DiscoveryWindow::take() {
  std::vector<Discovery::Token> tokens;
  tokens.reserve(open_.size());
  for (auto& [path, open] : open_) tokens.push_back(std::move(open.token));
  open_.clear();
  return tokens;
}

}  // namespace bleconnd
