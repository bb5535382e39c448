/*
 * Source of mirrored HTTP keep-alive traffic: VXLAN packets of many connections, for each exchange a request, the segments
 * of its response, and an acknowledgement of every second segment and of the last, sent in batches at an even rate.
 * Arguments: ADDRESS PORT SUBNET FLOWS RATE SECONDS PER_FLOW BODY [FILE]. SUBNET is the second byte of the clients' addresses;
 * RATE counts exchanges a second; after PER_FLOW exchanges a connection is closed and another opened (0 = never); BODY is
 * the length of a response's content. With FILE, a pcap, the same packets are written there instead of sent, as Ethernet
 * frames from the address before ADDRESS, with the times at which they are due. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 512, SLOT = 1536, OUTER = 14 + 20 + 8, HEADERS = 8 + 14 + 20 + 20, SEGMENT = 1400, BODY = 1 << 20, FIN = 1, SYN = 2, PUSH = 8, ACK = 16 };

struct flow {
  uint32_t address, client, server, exchanges;
  uint16_t port;
};

static uint8_t slots[BATCH][SLOT];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];
static unsigned filled;
static uint64_t packets, failures;
static int descriptor;
static FILE *file;
static uint8_t outer[OUTER] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, [22] = 64, 17};
static double due_time;
static char request[256], response[256 + BODY];
static int request_length, response_length;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void flush(void) {
  unsigned at = 0;
  while (at < filled) {
    int sent = sendmmsg(descriptor, messages + at, filled - at, 0);
    if (sent > 0) at += sent;
    else if (errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) {
      perror("sendmmsg");
      exit(1);
    } else failures++;
  }
  packets += filled;
  filled = 0;
}

static void put16(uint8_t *at, uint16_t value) {
  value = htons(value);
  memcpy(at, &value, 2);
}

static void put32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

/* What is the same in every frame: addresses and ports. */
static void begin_file(const char *path, const struct sockaddr_in *to) {
  const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
  file = fopen(path, "w");
  if (file == NULL || fwrite(head, sizeof head, 1, file) != 1) {
    perror(path);
    exit(1);
  }
  put32(outer + 26, ntohl(to->sin_addr.s_addr) - 1);
  memcpy(outer + 30, &to->sin_addr, 4);
  put16(outer + 34, 40000);
  memcpy(outer + 36, &to->sin_port, 2);
}

static void record(const uint8_t *packet, int length) {
  const uint32_t total = OUTER + length, head[4] = {due_time, (due_time - (uint32_t)due_time) * 1e6, total, total};
  uint32_t sum = 0;
  put16(outer + 16, total - 14);
  put16(outer + 24, 0);
  for (int at = 14; at < 34; at += 2) sum += outer[at] << 8 | outer[at + 1];
  put16(outer + 24, ~((sum & 0xffff) + (sum >> 16)));
  put16(outer + 38, total - 34);
  if (fwrite(head, sizeof head, 1, file) + fwrite(outer, OUTER, 1, file) + fwrite(packet, length, 1, file) != 3) {
    perror("capture file");
    exit(1);
  }
  packets++;
}

static void emit(const struct flow *flow, int from_client, int flags, const char *payload, int length) {
  uint8_t *packet = slots[filled], *ip = packet + 22, *tcp = ip + 20;
  memset(packet, 0, HEADERS);
  packet[0] = 8;
  packet[13] = 2;
  packet[19] = 1;
  put16(packet + 20, 0x0800);
  ip[0] = 0x45;
  put16(ip + 2, 40 + length);
  ip[8] = 64;
  ip[9] = 6;
  put32(ip + (from_client ? 12 : 16), flow->address);
  put32(ip + (from_client ? 16 : 12), 0x0a090001);
  put16(tcp + (from_client ? 0 : 2), flow->port);
  put16(tcp + (from_client ? 2 : 0), 80);
  put32(tcp + 4, from_client ? flow->client : flow->server);
  if (flags & ACK) put32(tcp + 8, from_client ? flow->server : flow->client);
  tcp[12] = 0x50;
  tcp[13] = flags;
  put16(tcp + 14, 64240);
  memcpy(packet + HEADERS, payload, length);
  if (file != NULL) {
    record(packet, HEADERS + length);
    return;
  }
  vectors[filled].iov_len = HEADERS + length;
  if (++filled == BATCH) flush();
}

static void open_flow(struct flow *flow) {
  flow->exchanges = flow->client = flow->server = 0;
  emit(flow, 1, SYN, "", 0);
  flow->client = 1;
  emit(flow, 0, SYN | ACK, "", 0);
  flow->server = 1;
}

static void close_flow(struct flow *flow) {
  emit(flow, 1, FIN | ACK, "", 0);
  flow->client++;
  emit(flow, 0, FIN | ACK, "", 0);
  flow->server++;
  emit(flow, 1, ACK, "", 0);
  flow->port = flow->port >= 60000 ? 20000 : flow->port + 1;
}

static void exchange(struct flow *flow, uint32_t id) {
  char digits[11];
  snprintf(digits, sizeof digits, "%010u", id);
  memcpy(request + 10, digits, 10);
  memcpy(request + request_length - 14, digits, 10);
  emit(flow, 1, PUSH | ACK, request, request_length);
  flow->client += request_length;
  for (int at = 0, segments = 1; at < response_length; at += SEGMENT, segments++) {
    int length = response_length - at < SEGMENT ? response_length - at : SEGMENT, last = at + length == response_length;
    emit(flow, 0, last ? PUSH | ACK : ACK, response + at, length);
    flow->server += length;
    if (last || segments % 2 == 0) emit(flow, 1, ACK, "", 0);
  }
  flow->exchanges++;
}

static void next_exchange(struct flow *flow, unsigned per_flow, uint32_t id) {
  if (per_flow > 0 && flow->exchanges >= per_flow) {
    close_flow(flow);
    open_flow(flow);
  }
  exchange(flow, id);
}

int main(int count, char **values) {
  if (count != 9 && count != 10) {
    fprintf(stderr, "usage: %s ADDRESS PORT SUBNET FLOWS RATE SECONDS PER_FLOW BODY [FILE]\n", values[0]);
    return 2;
  }
  unsigned subnet = atoi(values[3]), flows = atoi(values[4]), per_flow = atoi(values[7]), body = atoi(values[8]);
  double rate = atof(values[5]), seconds = atof(values[6]);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(values[2]))};
  if (inet_pton(AF_INET, values[1], &to.sin_addr) != 1 || flows == 0 || rate <= 0 || body > BODY) return 2;
  struct flow *all = calloc(flows, sizeof *all);
  descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  int size = 4 << 20;
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (all == NULL || connect(descriptor, (struct sockaddr *)&to, sizeof to) != 0) return 1;
  if (count == 10) begin_file(values[9], &to);
  prctl(PR_SET_TIMERSLACK, 1);
  for (int slot = 0; slot < BATCH; slot++) {
    vectors[slot].iov_base = slots[slot];
    messages[slot].msg_hdr.msg_iov = &vectors[slot];
    messages[slot].msg_hdr.msg_iovlen = 1;
  }
  request_length = sprintf(request, "GET /item/0000000000 HTTP/1.1\r\nHost: shop.example\r\nX-Id: 0000000000\r\n\r\n");
  response_length = sprintf(response, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", body);
  memset(response + response_length, 'r', body);
  response_length += body;
  for (unsigned index = 0; index < flows; index++) {
    all[index].address = 0x0a000000 | subnet << 16 | (index & 0xffff);
    all[index].port = 20000 + index % 20000;
    open_flow(&all[index]);
  }
  flush();
  uint64_t sent = 0;
  for (; file != NULL && sent < seconds * rate; sent++) {
    due_time = sent / rate;
    next_exchange(&all[sent % flows], per_flow, sent);
  }
  double began = now(), elapsed;
  while (file == NULL) {
    elapsed = now() - began;
    double due = (elapsed < seconds ? elapsed : seconds) * rate;
    for (; sent < due; sent++) next_exchange(&all[sent % flows], per_flow, sent);
    flush();
    nanosleep(&(struct timespec){0, 500000}, NULL);
    if (elapsed >= seconds) break;
  }
  printf("{\"sent\":%llu,\"packets\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent, (unsigned long long)packets,
         file == NULL ? now() - began : seconds);
  return file != NULL && fclose(file) != 0;
}
