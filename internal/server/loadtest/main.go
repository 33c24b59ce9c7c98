// Command loadtest measures the service against a bare echo server that sends messages of the same size: over gRPC, and
// over HTTP through a gateway. Both are processes of their own on this machine and are asked in turns, so that the
// shares mean something where the figures alone do not. It prints Markdown.
//
//	go run ./internal/server/loadtest -grader .build/grader
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// settings are how hard and how long to ask.
type settings struct {
	grader      string
	clients     int
	connections int
	rounds      int
	turn        time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == echoCommand {
		err = serveEcho(ctx, os.Args[2:])
	} else {
		err = measure(ctx, os.Args[1:], os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	f.StringVar(&s.grader, "grader", ".build/grader", "the binary to measure")
	f.IntVar(&s.clients, "clients", 64, "requests under way at once")
	f.IntVar(&s.connections, "connections", 4, "gRPC connections that they share")
	f.IntVar(&s.rounds, "rounds", 5, "turns of each server; the median counts")
	f.DurationVar(&s.turn, "turn", 3*time.Second, "length of a turn")
	if err := f.Parse(args); err != nil {
		return err
	}
	both := &pair{}
	defer both.stop()
	if err := both.start(ctx, s); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d CPUs, %s; servers and clients share them. %d clients, %d rounds of %s each; medians.\n", runtime.NumCPU(), runtime.Version(), s.clients, s.rounds, s.turn)
	fmt.Fprintf(out, "An answer of %d bytes, keywords only; replies of %d bytes over gRPC and %d over HTTP.\n\n", len(both.answer), both.grpcBytes, both.httpBytes)
	fmt.Fprint(out, "| as fast as it goes | grader requests/s | echo requests/s | share | grader CPU a request | echo CPU a request |\n| --- | --- | --- | --- | --- | --- |\n")
	var bears []float64
	for _, p := range both.paths {
		var seen [2][]speed
		for range s.rounds {
			for k, c := range p.calls {
				v, err := flood(ctx, c, both.processes[k].Process.Pid, s.clients, s.turn)
				if err != nil {
					return err
				}
				seen[k] = append(seen[k], v)
			}
		}
		grader, echo := median(seen[0]), median(seen[1])
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.0f %% | %s | %s |\n", p.name, grader.answers, echo.answers, 100*grader.answers/echo.answers, ms(grader.cpu), ms(echo.cpu))
		bears = append(bears, grader.answers)
	}
	fmt.Fprint(out, "\n| at the same rate, half of what the grader bears | grader p50, p99 | echo p50, p99 | p99 against echo |\n| --- | --- | --- | --- |\n")
	for i, p := range both.paths {
		rate := bears[i] / 2
		var seen [2][]latencies
		for range s.rounds {
			for k, c := range p.calls {
				l, err := steady(ctx, c, rate, s.turn)
				if err != nil {
					return err
				}
				seen[k] = append(seen[k], l)
			}
		}
		grader, echo := middle(seen[0]), middle(seen[1])
		fmt.Fprintf(out, "| %s, %.0f/s | %s, %s | %s, %s | %.1f times |\n", p.name, rate, ms(grader.p50), ms(grader.p99), ms(echo.p50), ms(echo.p99), float64(grader.p99)/float64(echo.p99))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
