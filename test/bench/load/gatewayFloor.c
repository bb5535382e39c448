/*
 * The least that any gateway asks of the kernel: takes mirrored VXLAN packets in batches, sends each request's payload on a
 * connection of its flow to the shadow and reads each answer. No reassembly, framing, digest, comparison or sample: it
 * trusts the packets to be those of mirrorLoad.c, in order and whole, one request a packet.
 * Arguments: PORT SHADOW_PORT PAUSE, the last in microseconds between two looks at the sockets. Ends on SIGTERM with one
 * line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, SLOT = 2048, FLOWS = 1 << 16, EVENTS = 512, IP = 22, TCP = IP + 20, SYN = 2, ACK = 16, ANSWER = 131072 };

struct flow {
  uint64_t key;
  int descriptor;
};

static uint8_t slots[BATCH][SLOT], answer[ANSWER];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];
static struct epoll_event events[EVENTS];
static struct flow flows[FLOWS];
static struct sockaddr_in shadow;
static int set;
static uint64_t packets, requests, answers, failures;
static volatile sig_atomic_t stopped;

static void stop(int number) {
  stopped = number;
}

static struct sockaddr_in local(const char *port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct flow *find(const uint8_t *packet) {
  uint64_t key = 0;
  memcpy(&key, packet + IP + 12, 4);
  memcpy((uint8_t *)&key + 4, packet + TCP, 2);
  unsigned at = (key * 0x9e3779b97f4a7c15u) >> 48;
  while (flows[at].key != 0 && flows[at].key != key) at = (at + 1) % FLOWS;
  flows[at].key = key;
  return &flows[at];
}

static void open_flow(struct flow *flow) {
  int one = 1;
  flow->descriptor = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(flow->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = flow->descriptor};
  if (connect(flow->descriptor, (struct sockaddr *)&shadow, sizeof shadow) != 0 ||
      epoll_ctl(set, EPOLL_CTL_ADD, flow->descriptor, &event) != 0)
    failures++;
}

static void take(const uint8_t *packet, int length) {
  packets++;
  if (length < TCP + 20 || packet[TCP + 2] != 0 || packet[TCP + 3] != 80) return;
  const int payload = length - TCP - 20, flags = packet[TCP + 13];
  if (payload == 0 && (flags & (SYN | ACK)) != SYN) return;
  struct flow *flow = find(packet);
  if (flags & SYN) open_flow(flow);
  else if (send(flow->descriptor, packet + TCP + 20, payload, MSG_DONTWAIT | MSG_NOSIGNAL) == payload) requests++;
  else failures++;
}

static void receive_packets(int intake) {
  int received;
  do {
    received = recvmmsg(intake, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int slot = 0; slot < received; slot++) take(slots[slot], messages[slot].msg_len);
  } while (received == BATCH);
}

static void receive_answers(void) {
  int count;
  do {
    count = epoll_wait(set, events, EVENTS, 0);
    for (int index = 0; index < count; index++) {
      ssize_t length;
      do {
        length = recv(events[index].data.fd, answer, ANSWER, MSG_DONTWAIT);
        if (length > 0) answers++;
      } while (length == ANSWER);
    }
  } while (count == EVENTS);
}

int main(int count, char **values) {
  if (count != 4) {
    fprintf(stderr, "usage: %s PORT SHADOW_PORT PAUSE\n", values[0]);
    return 2;
  }
  struct sockaddr_in from = local(values[1]);
  struct timespec pause = {0, atol(values[3]) * 1000};
  int intake = socket(AF_INET, SOCK_DGRAM, 0), size = 32 << 20;
  shadow = local(values[2]);
  set = epoll_create1(0);
  if (setsockopt(intake, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    setsockopt(intake, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (set < 0 || bind(intake, (struct sockaddr *)&from, sizeof from) != 0) {
    perror("intake");
    return 1;
  }
  for (int slot = 0; slot < BATCH; slot++) {
    vectors[slot] = (struct iovec){slots[slot], SLOT};
    messages[slot].msg_hdr.msg_iov = &vectors[slot];
    messages[slot].msg_hdr.msg_iovlen = 1;
  }
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  while (!stopped) {
    receive_packets(intake);
    receive_answers();
    if (pause.tv_nsec > 0) nanosleep(&pause, NULL);
  }
  receive_answers();
  printf("{\"packets\":%llu,\"requests\":%llu,\"answers\":%llu,\"failures\":%llu}\n", (unsigned long long)packets,
         (unsigned long long)requests, (unsigned long long)answers, (unsigned long long)failures);
  return 0;
}
