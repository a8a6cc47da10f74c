// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/log_writer.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "fairlead/telemetry/access_log.hpp"
#include "sample.hpp"
#include "support/wait.hpp"

namespace fairlead::telemetry {
namespace {

namespace fs = std::filesystem;
using fairlead::test::eventually;
using test::kFlushMs;
using test::Sample;

class LogWriterTest : public ::testing::Test {
 protected:
  LogWriterTest() {
    char name[] = "/tmp/telemetry_l7.XXXXXX";
    folder_ = ::mkdtemp(name);
    writer_ = std::move(*LogWriter::create());
  }
  ~LogWriterTest() override {
    writer_.reset();
    fs::remove_all(folder_);
  }
  static LogTarget file(const fs::path& path) {
    LogTarget target;
    target.kind = LogTarget::Kind::kFile;
    target.path = path;
    return target;
  }
  static std::string content(const fs::path& path) {
    std::ostringstream all;
    all << std::ifstream(path, std::ios::binary).rdbuf();
    return all.str();
  }
  std::uint64_t dropped(LogDrop reason) const {
    std::uint64_t sum = 0;
    for (const auto& counts : writer_->counts()) sum += counts.dropped[static_cast<std::size_t>(reason)];
    return sum;
  }
  std::uint64_t written() const {
    std::uint64_t sum = 0;
    for (const auto& counts : writer_->counts()) sum += counts.lines;
    return sum;
  }

  fs::path folder_;
  std::unique_ptr<LogWriter> writer_;
};

TEST_F(LogWriterTest, LinesOfAllWorkersArriveWholeAndInOrder) {
  const auto output = *writer_->open(file(folder_ / "log"));
  EXPECT_EQ(output, *writer_->open(file(folder_ / "log")));
  constexpr int kLines = 20000;
  constexpr int kWorkers = 3;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker) {
    auto ring = writer_->add_ring(*output, 1 << 12);
    workers.emplace_back([&, ring, worker] {
      for (int i = 0; i < kLines; ++i) {
        const auto text = std::to_string(worker) + " " + std::to_string(i) + "\n";
        while (!ring->push(text)) std::this_thread::yield();
        writer_->doorbell().ring();
      }
      writer_->release(ring);
    });
  }
  for (auto& worker : workers) worker.join();
  ASSERT_TRUE(writer_->flush(kFlushMs));
  std::vector<int> next(kWorkers, 0);
  std::istringstream in(content(folder_ / "log"));
  for (std::string text; std::getline(in, text);) {
    int worker = -1;
    int number = -1;
    ASSERT_EQ(std::sscanf(text.c_str(), "%d %d", &worker, &number), 2) << text;
    ASSERT_EQ(number, next.at(static_cast<std::size_t>(worker))++) << text;
  }
  EXPECT_EQ(next, std::vector<int>(kWorkers, kLines));
  EXPECT_EQ(written(), std::uint64_t{kLines} * kWorkers);
}

TEST_F(LogWriterTest, ASleepingThreadIsWoken) {
  const auto output = *writer_->open(file(folder_ / "log"));
  const auto ring = writer_->add_ring(*output, 4096);
  ring->push("one\n");
  writer_->doorbell().ring();
  EXPECT_TRUE(eventually([&] { return content(folder_ / "log") == "one\n"; }));
}

TEST_F(LogWriterTest, AReopenedFileIsANewOne) {
  const auto output = *writer_->open(file(folder_ / "log"));
  const auto ring = writer_->add_ring(*output, 4096);
  ring->push("before\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  fs::rename(folder_ / "log", folder_ / "log.1");
  ring->push("still\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  writer_->reopen();
  ASSERT_TRUE(eventually([&] { return fs::exists(folder_ / "log"); }));
  ring->push("after\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  EXPECT_EQ(content(folder_ / "log.1"), "before\nstill\n");
  EXPECT_EQ(content(folder_ / "log"), "after\n");
}

TEST_F(LogWriterTest, AFileThatCannotBeOpenedIsAnErrorAndAFailedReopeningKeepsTheOld) {
  const auto output = writer_->open(file(folder_ / "no" / "log"));
  ASSERT_FALSE(output);
  EXPECT_NE(output.error().message.find("No such file"), std::string::npos);
  fs::create_directory(folder_ / "sub");
  const auto good = *writer_->open(file(folder_ / "sub" / "log"));
  const auto ring = writer_->add_ring(*good, 4096);
  fs::rename(folder_ / "sub", folder_ / "moved");
  writer_->reopen();
  ring->push("kept\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  EXPECT_EQ(content(folder_ / "moved" / "log"), "kept\n");
}

TEST_F(LogWriterTest, ASlowPipeLosesLinesNotTheWorker) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const Fd reader(::open((folder_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK));
  const auto output = *writer_->open(file(folder_ / "pipe"));
  const auto ring = writer_->add_ring(*output, 64 * 1024);
  // Nobody reads: the pipe and the ring fill, then push() refuses at once.
  const auto pipe_bytes = static_cast<std::uint64_t>(::fcntl(reader.get(), F_GETPIPE_SZ));
  const std::string text(999, 'x');
  std::uint64_t pushed = 0;
  ASSERT_TRUE(eventually([&] {
    while (ring->push(text + "\n")) ++pushed;
    return ring->dropped() > 2 && pushed * 1000 > pipe_bytes + ring->capacity() / 2;
  }));
  EXPECT_GE(dropped(LogDrop::kRingFull), 3U);
  EXPECT_FALSE(writer_->flush(1));
  // Once somebody reads, everything that was taken arrives, whole.
  std::string got;
  ASSERT_TRUE(eventually([&] {
    char buffer[65536];
    for (ssize_t n = 0; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;)
      got.append(buffer, static_cast<std::size_t>(n));
    return got.size() == pushed * 1000;
  }));
  for (std::size_t i = 0; i < pushed; ++i) ASSERT_EQ(got.substr(i * 1000, 1000), text + "\n");
  EXPECT_TRUE(writer_->flush(kFlushMs));
}

TEST_F(LogWriterTest, StoppingDoesNotWaitForAPipeThatNobodyReads) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const Fd reader(::open((folder_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK));
  const auto output = *writer_->open(file(folder_ / "pipe"));
  const auto ring = writer_->add_ring(*output, 256 * 1024);
  std::uint64_t pushed = 0;
  while (ring->push(std::string(999, 'x') + "\n")) ++pushed;
  writer_->stop(50);
  EXPECT_GT(dropped(LogDrop::kAtExit), 0U);
  EXPECT_EQ(ring->waiting(), 0U);
  EXPECT_EQ(written() + dropped(LogDrop::kAtExit), pushed);
}

TEST_F(LogWriterTest, StoppingWritesWhatWaits) {
  const auto output = *writer_->open(file(folder_ / "log"));
  const auto ring = writer_->add_ring(*output, 4096);
  for (int i = 0; i < 100; ++i) ring->push("line\n");
  writer_->stop();
  EXPECT_EQ(content(folder_ / "log").size(), 500U);
}

TEST_F(LogWriterTest, AFullDiskLosesWholeLinesAndIsCounted) {
  // /dev/full answers every write with ENOSPC.
  const auto output = *writer_->open(file("/dev/full"));
  const auto ring = writer_->add_ring(*output, 4096);
  for (int i = 0; i < 100; ++i) ring->push("a line\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  EXPECT_EQ(dropped(LogDrop::kDiskFull), 100U);
  EXPECT_EQ(written(), 0U);
}

TEST_F(LogWriterTest, ADiskThatIsFullForAWhileLeavesNoHalfLines) {
  // A limit of a file's size stands for the disk: it is hit in the middle of a line (EFBIG), then raised.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto output = *writer_->open(file(folder_ / "log"));
  const auto ring = writer_->add_ring(*output, 4096);
  rlimit small = old_limit;
  small.rlim_cur = 25;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 4; ++i) ring->push("0123456789\n");
  const bool flushed = writer_->flush(kFlushMs);
  const auto lost = dropped(LogDrop::kDiskFull);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ring->push("after\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(flushed);
  EXPECT_EQ(lost, 2U);
  EXPECT_EQ(content(folder_ / "log"), "0123456789\n0123456789\n012\nafter\n");
}

TEST_F(LogWriterTest, APipeWithoutAReaderIsAWriteError) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  Fd reader(::open((folder_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK));
  const auto output = *writer_->open(file(folder_ / "pipe"));
  const auto ring = writer_->add_ring(*output, 4096);
  reader.reset();
  ring->push("nobody\n");
  ASSERT_TRUE(writer_->flush(kFlushMs));
  EXPECT_EQ(dropped(LogDrop::kWriteError), 1U);
}

TEST_F(LogWriterTest, SyslogGetsOneDatagramALine) {
  const Fd server(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size);
  LogTarget target;
  target.kind = LogTarget::Kind::kSyslog;
  target.server = {*Address::parse("127.0.0.1"), ntohs(address.sin_port)};
  const auto output = *writer_->open(target);
  const auto ring = writer_->add_ring(*output, 64);  // lines go over its end
  for (int i = 0; i < 50; ++i) {
    const auto text = "line number " + std::to_string(i);
    ASSERT_TRUE(eventually([&] { return ring->push(text + "\n"); }));
    writer_->doorbell().ring();
    pollfd waiting{.fd = server.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&waiting, 1, kFlushMs), 1);
    char buffer[2048];
    const std::string got(buffer, static_cast<std::size_t>(::recv(server.get(), buffer, sizeof buffer, 0)));
    EXPECT_TRUE(got.starts_with("<134>1 20")) << got;
    EXPECT_TRUE(got.ends_with(" fairlead-gateway " + std::to_string(::getpid()) + " access - " + text)) << got;
  }
}

TEST_F(LogWriterTest, AWorkersLogWritesWhatPassesItsFilter) {
  Sample sample;
  auto log = std::make_shared<AccessLog>(AccessLog{.format = *LogFormat::from_template("%RESPONSE_CODE%"),
                                                   .filter = {.fraction = 0, .least_status = 500},
                                                   .output = *writer_->open(file(folder_ / "log"))});
  {
    WorkerLog worker(log, *writer_);
    for (const auto status : std::initializer_list<std::uint16_t>{200, 503, 404, 500}) {
      sample.record.status = status;
      worker.log(sample.record);
    }
    EXPECT_EQ(worker.skipped(), 2U);
  }
  ASSERT_TRUE(writer_->flush(kFlushMs));
  EXPECT_EQ(content(folder_ / "log"), "503\n500\n");
}

TEST(LogFilter, AnyConditionSufficesAndTheFractionDecidesTheRest) {
  Sample sample;
  sample.record.status = 200;
  EXPECT_TRUE(passes({}, sample.record, 0));
  EXPECT_FALSE(passes({.fraction = 0}, sample.record, 0));
  EXPECT_TRUE(passes({.fraction = 0, .least_status = 200}, sample.record, 0));
  EXPECT_TRUE(passes({.fraction = 0, .least_duration_ns = 12'000'000}, sample.record, 0));
  EXPECT_FALSE(passes({.fraction = 0, .least_duration_ns = 13'000'000}, sample.record, 0));
  EXPECT_FALSE(passes({.fraction = 0, .any_flag = true}, sample.record, 0));
  sample.record.flags.set(ResponseFlag::kNoRouteFound);
  EXPECT_TRUE(passes({.fraction = 0, .any_flag = true}, sample.record, 0));
  EXPECT_TRUE(passes({.fraction = 0, .flags = {ResponseFlag::kNoRouteFound}}, sample.record, 0));
  EXPECT_FALSE(passes({.fraction = 0, .flags = {ResponseFlag::kRateLimited}}, sample.record, 0));
  IdGenerator ids(3);
  int logged = 0;
  for (int i = 0; i < 10000; ++i) {
    sample.record.trace.trace = ids.trace_id();
    const bool first = passes({.fraction = 0.25}, sample.record, 0);
    EXPECT_EQ(first, passes({.fraction = 0.25}, sample.record, 1));  // the trace decides, whatever the number
    logged += first ? 1 : 0;
  }
  EXPECT_NEAR(logged, 2500, 200);
}

}  // namespace
}  // namespace fairlead::telemetry
