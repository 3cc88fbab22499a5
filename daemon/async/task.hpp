// Task<T>: a lazy coroutine. It starts when it is awaited; destroying it destroys everything it awaits.
// A failure is a value of T; an exception that reaches the promise is a bug: terminate, systemd restarts us.
#pragma once
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace bleconnd {

struct Unit {};  // the value of a task that only ends

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::coroutine_handle<> parent = std::noop_coroutine();
    std::optional<T> value;

    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct ResumeParent {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        return self.promise().parent;
      }
      void await_resume() noexcept {}
    };
    ResumeParent final_suspend() noexcept { return {}; }
    template <class V>
    void return_value(V&& result) {
      value.emplace(std::forward<V>(result));
    }
    void unhandled_exception() noexcept { std::terminate(); }
  };

  Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, {})} {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
    handle_.promise().parent = parent;
    return handle_;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_{handle} {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace bleconnd
