/*
 * Round trips of 100 bytes there and 700 back, with nothing between them but the kernel.
 * Arguments: `serve ADDRESS PORT`, until it is killed, or `ask ADDRESS PORT COUNT EACH`, which opens a connection for every
 * EACH round trips and ends with one line of JSON, the median and the 99th percentile in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 100, ANSWER = 700 };

static char buffer[4096];
static const int one = 1;

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int serve(const struct sockaddr_in *at) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (const void *)at, sizeof *at) || listen(listener, 16)) return fail("listen");
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) return fail("accept");
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (read(peer, buffer, sizeof buffer) > 0 && write(peer, buffer, ANSWER) == ANSWER) continue;
    close(peer);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

static int ask(const struct sockaddr_in *at, int count, int each) {
  double *taken = malloc(count * sizeof *taken);
  int peer = -1;
  for (int index = 0; index < count; index++) {
    if (index % each == 0) {
      if (peer >= 0) close(peer);
      peer = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(peer, (const void *)at, sizeof *at)) return fail("connect");
      setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    double begun = now();
    if (write(peer, buffer, REQUEST) != REQUEST) return fail("write");
    for (int left = ANSWER; left > 0;) {
      int got = read(peer, buffer, sizeof buffer);
      if (got <= 0) return fail("read");
      left -= got;
    }
    taken[index] = now() - begun;
  }
  qsort(taken, count, sizeof *taken, compare);
  printf("{\"p50\":%.3f,\"p99\":%.1f}\n", taken[count / 2], taken[count / 100 * 99]);
  return 0;
}

int main(int count, char **argument) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  if (count < 4 || inet_pton(AF_INET, argument[2], &at.sin_addr) != 1) return 2;
  at.sin_port = htons(atoi(argument[3]));
  if (strcmp(argument[1], "serve") == 0) return serve(&at);
  return count == 6 && atoi(argument[4]) > 0 && atoi(argument[5]) > 0 ? ask(&at, atoi(argument[4]), atoi(argument[5])) : 2;
}
