#include "fovea/backends/cpu/threads.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "fovea/backends/backend.h"
#include "fovea/backends/round_up.h"

namespace fovea {
namespace {

int usable_cores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(CPU_COUNT(&cores), 1);
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);  // more cores than the set has room for
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{usable_cores()};
  return count;
}

thread_local bool inside_parallel = false;

/// Chunks that threads take one by one until none is left, each from a stretch of its own first.
struct Job {
  static constexpr int most_stretches = 64;
  struct alignas(64) Stretch {
    std::atomic<int64_t> next;
    int64_t begin, end;
  };

  cpu::detail::ChunkBody call;
  const void* body;
  int64_t items, grain;
  bool backward;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  std::exception_ptr error = nullptr;
  int count = 0;
  Stretch stretches[most_stretches] = {};

  void cut(int threads) {
    count = std::min(threads, most_stretches);
    const int64_t chunks = divide_up(items, grain);
    for (int i = 0; i < count; ++i) {
      Stretch& stretch = stretches[i];
      stretch.begin = chunks * i / count;
      stretch.end = chunks * (i + 1) / count;
      stretch.next.store(stretch.begin, std::memory_order_relaxed);
    }
  }

  void work(int thread) {
    inside_parallel = true;
    for (int i = 0; i < count; ++i) {
      Stretch& stretch = stretches[(thread + i) % count];
      for (int64_t chunk; (chunk = stretch.next.fetch_add(1, std::memory_order_relaxed)) < stretch.end;)
        run(backward ? stretch.begin + stretch.end - 1 - chunk : chunk);
    }
    inside_parallel = false;
  }

  void run(int64_t chunk) try { call(body, chunk * grain, std::min(items, (chunk + 1) * grain)); } catch (...) {
    if (!failed.test_and_set()) error = std::current_exception();
  }
};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `value` is no longer `old`: awake for a moment, since most waits are short; then for as long as it may take
/// to wake a sleeper where the machine is virtual, giving way to whoever wants the core; then asleep.
int wait_for_change(const std::atomic<int>& value, int old) {
  using Clock = std::chrono::steady_clock;
  constexpr int moment = 2000;  // some 30 to 100 us
  constexpr std::chrono::milliseconds patience{2};
  for (int i = 0; i < moment; ++i) {
    if (const int now = value.load(std::memory_order_acquire); now != old) return now;
    relax();
  }
  for (const auto end = Clock::now() + patience; Clock::now() < end;) {
    if (const int now = value.load(std::memory_order_acquire); now != old) return now;
    std::this_thread::yield();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

/// Moves the calling thread from the core `parent`, where the system may begin it though others are idle, to the one that is
/// `distance` further among those that it may use. There it stays until it is moved: it may run on all of them as before.
/// Threads that share a core would wait for each other until the system looks again, some 10 ms later.
void leave_core(int parent, int distance) {
  cpu_set_t usable, one;
  if (parent < 0 || sched_getaffinity(0, sizeof usable, &usable) != 0 || !CPU_ISSET(parent, &usable)) return;
  int core = parent;
  for (int steps = distance % CPU_COUNT(&usable); steps > 0; steps -= CPU_ISSET(core, &usable) ? 1 : 0)
    core = (core + 1) % CPU_SETSIZE;
  if (core == parent) return;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof usable, &usable);
}

/// Threads that help whoever has a job. The owner of a job works on it too and waits only for helpers that have begun:
/// where others keep the cores busy, nobody waits for a thread to be woken. One job at a time has helpers; whoever
/// comes meanwhile works alone.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    // A fork leaves the child this list but none of the threads, and the lock as it was.
    if (process_ != getpid()) {
      for (const auto& helper : helpers_) helper->thread.detach();
      return;
    }
    const std::lock_guard lock(owner_);
    stopping_.store(true, std::memory_order_relaxed);
    for (const auto& helper : helpers_) {
      helper->call();
      helper->thread.join();
    }
  }

  void run(Job& job, int helpers) {
    const std::unique_lock lock(owner_, std::try_to_lock);
    if (!lock) return job.work(0);
    helpers = hire(helpers);
    job_ = &job;
    done_.store(0, std::memory_order_relaxed);
    seats_.store(helpers, std::memory_order_release);
    for (int i = 0; i < helpers; ++i) helpers_[static_cast<size_t>(i)]->call();
    job.work(0);
    const int taken = helpers - seats_.exchange(0, std::memory_order_acq_rel);
    for (int done = done_.load(std::memory_order_acquire); done != taken;) done = wait_for_change(done_, done);
  }

 private:
  struct Helper {
    std::atomic<int> calls{0};
    std::thread thread;

    void call() {
      calls.fetch_add(1, std::memory_order_release);
      calls.notify_one();
    }
  };

  /// How many of so many helpers there are.
  int hire(int wanted) try {
    helpers_.reserve(static_cast<size_t>(wanted));
    while (static_cast<int>(helpers_.size()) < wanted) {
      const int number = static_cast<int>(helpers_.size()) + 1;
      auto helper = std::make_unique<Helper>();
      helper->thread = std::thread([this, number, parent = sched_getcpu(), &calls = helper->calls] {
        leave_core(parent, number);
        for (int seen = 0;;) {
          seen = wait_for_change(calls, seen);
          if (stopping_.load(std::memory_order_relaxed)) return;
          help(number);
        }
      });
      helpers_.push_back(std::move(helper));
    }
    return wanted;
  } catch (const std::system_error&) {
    return static_cast<int>(helpers_.size());  // the system gives no more threads
  }

  void help(int number) {
    int seats = seats_.load(std::memory_order_acquire);
    while (seats > 0 && !seats_.compare_exchange_weak(seats, seats - 1, std::memory_order_acq_rel)) {
    }
    if (seats <= 0) return;
    job_->work(number);  // its owner waits for us from here on
    done_.fetch_add(1, std::memory_order_release);
    done_.notify_one();
  }

  std::mutex owner_;           // held by the owner of the job
  std::atomic<int> seats_{0};  // how many may still join it
  std::atomic<int> done_{0};   // how many have joined and are through
  Job* job_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Helper>> helpers_;
  pid_t process_ = getpid();
};

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1) raise_here<ValueError>("set_num_threads: {} is not at least 1", threads);
  thread_count().store(threads, std::memory_order_relaxed);
}

namespace cpu::detail {

int threads_for(int64_t chunks) {
  return inside_parallel ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), chunks));
}

void run_chunks(int64_t items, int64_t grain, int threads, bool backward, ChunkBody call, const void* body) {
  static Pool pool;
  Job job{.call = call, .body = body, .items = items, .grain = grain, .backward = backward};
  job.cut(threads);
  pool.run(job, threads - 1);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace cpu::detail

bool cpu::turns_back(int64_t bytes) {
  constexpr int64_t most_cached = 4 << 20;
  thread_local bool backward = false;
  return bytes > most_cached && (backward = !backward);
}

}  // namespace fovea
