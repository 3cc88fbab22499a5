// Which dials and links are ours: kept where it survives a crash of this daemon (the runtime directory), so
// that after one, an "in progress" or a link that a former life left behind is told from another program's.
// Only the former is ever cleared by Disconnect.
#pragma once
#include <string>
#include <vector>

namespace bleconnd {

class DialRecord {
 public:
  virtual ~DialRecord() = default;
  // `owner` is bluetoothd's unique name: dials and links die with the bluetoothd they were asked of.
  virtual void dialling(const std::string& owner, const std::string& path) = 0;
  virtual void linked(const std::string& path) = 0;    // the dial of it succeeded
  virtual void ended(const std::string& path) = 0;     // no dial and no link of ours any more
  virtual void outlived(const std::string& path) = 0;  // Disconnect was in vain: left behind, by this life

  // What a former life left there has ended; a dial or a link of this one there goes on.
  virtual void cleared(const std::string& path) = 0;
  // Paths of former lives' dials and links whose end none of them saw.
  virtual std::vector<std::string> left_behind() const = 0;
  // A former life of this daemon dialled it under this bluetoothd and did not see the end of the dial, or of
  // the link.
  virtual bool dial_left_behind(const std::string& owner, const std::string& path) const = 0;
  virtual bool link_left_behind(const std::string& owner, const std::string& path) const = 0;
};

}  // namespace bleconnd
