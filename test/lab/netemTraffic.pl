# Sends numbered datagrams through several streams in turns and says what arrived, one line of JSON.
# perl netemTraffic.pl COUNT RATE LINGER [FROM TO ADDRESS PORT]...
# COUNT for each stream, RATE of all together a second, LINGER seconds of silence that end it; FROM and TO are network
# namespaces, - is the one it was started in. One process does both ends, so that one clock measures the way. It knows
# the numbers of system calls of x86_64 only.
use strict;
use warnings;
use Socket qw(:all);

my ($count, $rate, $linger, @words) = @ARGV;
open(my $home, '<', '/proc/self/ns/net') or die $!;

sub now {
    my $time = pack('q2', 0, 0);
    syscall(228, 1, $time);
    my ($seconds, $nanoseconds) = unpack('q2', $time);
    return $seconds * 1000 + $nanoseconds / 1e6;
}

sub socket_in {
    my ($namespace, $family) = @_;
    open(my $place, '<', $namespace eq '-' ? '/proc/self/ns/net' : "/run/netns/$namespace") or die "$namespace: $!";
    syscall(308, fileno($place), 0x40000000) == 0 or die "setns: $!";
    socket(my $socket, $family, SOCK_DGRAM, 0) or die $!;
    setsockopt($socket, SOL_SOCKET, 33, 8 << 20) or die $!;    # SO_RCVBUFFORCE
    syscall(308, fileno($home), 0x40000000) == 0 or die "setns: $!";
    return $socket;
}

sub message {
    my ($sequence) = @_;
    return pack('N', $sequence) . chr($sequence & 255) x 192 . pack('N', $sequence);
}

my (@streams, @sent);
while (my ($from, $to, $address, $port) = splice(@words, 0, 4)) {
    my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
    my $packed = inet_pton($family, $address);
    my $place = $family == AF_INET6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed);
    my $receiver = socket_in($to, $family);
    bind($receiver, $place) or die "bind $address: $!";
    push @streams, { sender => socket_in($from, $family), receiver => $receiver, place => $place,
        received => 0, wrong => 0, duplicates => 0, overtaken => 0, highest => -1, seen => {}, times => [] };
}

sub arrived {
    my ($stream, $index, $data) = @_;
    my $at = now();
    my $sequence = unpack('N', $data);
    $stream->{received}++;
    if ($data ne message($sequence)) { $stream->{wrong}++; return }
    if ($stream->{seen}{$sequence}++) { $stream->{duplicates}++; return }
    $stream->{overtaken}++ if $sequence < $stream->{highest};
    $stream->{highest} = $sequence if $sequence > $stream->{highest};
    push @{ $stream->{times} }, $at - $sent[$index][$sequence];
}

# Takes what has come, waiting at most this long for the first.
sub collect {
    my ($seconds) = @_;
    my $bits = '';
    vec($bits, fileno($_->{receiver}), 1) = 1 for @streams;
    return 0 if select($bits, undef, undef, $seconds < 0 ? 0 : $seconds) <= 0;
    for my $index (0 .. $#streams) {
        while (defined recv($streams[$index]{receiver}, my $data, 2048, MSG_DONTWAIT)) {
            arrived($streams[$index], $index, $data);
        }
    }
    return 1;
}

my $start = now();
for my $number (0 .. $count * @streams - 1) {
    my $due = $start + $number * 1000 / $rate;
    collect(($due - now()) / 1000) while now() < $due;
    my $index = $number % @streams;
    my $sequence = int($number / @streams);
    $sent[$index][$sequence] = now();
    # A link that is down, or a refusal that came back, is a loss like any other.
    send($streams[$index]{sender}, message($sequence), 0, $streams[$index]{place});
    collect(0) if $number % 8 == 0;
}
my $quiet = now();
while (now() - $quiet < $linger * 1000) { $quiet = now() if collect($linger) }

sub report {
    my ($stream) = @_;
    my @times = sort { $a <=> $b } @{ $stream->{times} };
    my $at = sub { @times ? $times[int($_[0] * $#times)] : -1 };
    my ($sum, $squares) = (0, 0);
    $sum += $_ for @times;
    my $mean = @times ? $sum / @times : -1;
    $squares += ($_ - $mean)**2 for @times;
    my $deviation = @times ? sqrt($squares / @times) : 0;
    my @counts = map { qq("$_":$stream->{$_}) } qw(received wrong duplicates overtaken);
    return '{' . join(',', @counts, sprintf('"least":%.3f,"median":%.3f,"p95":%.3f,"mean":%.3f,"deviation":%.3f',
        $at->(0), $at->(0.5), $at->(0.95), $mean, $deviation)) . '}';
}
print '[', join(',', map { report($_) } @streams), "]\n";
