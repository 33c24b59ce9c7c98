// Command client-go grades an answer over gRPC with the generated client: a text, with each event of the stream as it
// comes, or a recording, which is sent in pieces:
//
//	grader serve &
//	go run ./examples/client-go -text "Timers first, then pending callbacks, poll, check and close."
//	go run ./examples/client-go -audio answer.ogg
//
// The second needs a server with a recogniser (--speech-url, --speech-model).
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

type options struct {
	addr, key, question, text, audio string
	tls                              bool
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:9090", "gRPC address of the server")
	o.key = os.Getenv("GRADER_SERVER_KEY") // where the server wants one
	flag.StringVar(&o.question, "question", "event-loop-phases", "id of the question")
	flag.StringVar(&o.text, "text", "Timers first, then pending callbacks, poll, check and close.", "the answer")
	flag.StringVar(&o.audio, "audio", "", "file with the answer as a recording, instead of -text")
	flag.BoolVar(&o.tls, "tls", false, "use TLS")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	err := run(ctx, o, os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	secure := insecure.NewCredentials()
	if o.tls {
		secure = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient(o.addr, grpc.WithTransportCredentials(secure))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if o.key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+o.key)
	}
	client := graderv1.NewGraderServiceClient(conn)
	if o.audio != "" {
		return upload(ctx, client, o, out)
	}
	stream, err := client.StreamGradeAnswer(ctx, &graderv1.StreamGradeAnswerRequest{
		QuestionId: o.question,
		Answer:     &graderv1.Answer{Content: &graderv1.Answer_Text{Text: o.text}},
	})
	if err != nil {
		return err
	}
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		show(out, event)
	}
}

// upload sends a recording: the options first, then its bytes.
func upload(ctx context.Context, client graderv1.GraderServiceClient, o options, out io.Writer) error {
	f, err := os.Open(o.audio)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	stream, err := client.GradeAudio(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: &graderv1.GradeAudioOptions{QuestionId: o.question}}})
	for chunk := make([]byte, 256<<10); err == nil; {
		var n int
		if n, err = f.Read(chunk); n > 0 {
			err = stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Chunk{Chunk: chunk[:n]}})
		}
	}
	if !errors.Is(err, io.EOF) { // of the file; or of the stream, whose reason comes next
		return err
	}
	res, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	for _, p := range res.GetCritique().GetPoints() {
		showPoint(out, p)
	}
	showCritique(out, res.GetCritique())
	return nil
}

func show(out io.Writer, event *graderv1.StreamGradeAnswerResponse) {
	switch e := event.GetEvent().(type) {
	case *graderv1.StreamGradeAnswerResponse_Preliminary:
		fmt.Fprintf(out, "preliminary: %s\n", e.Preliminary.GetSummary())
	case *graderv1.StreamGradeAnswerResponse_Point:
		showPoint(out, e.Point)
	case *graderv1.StreamGradeAnswerResponse_Critique:
		showCritique(out, e.Critique)
	}
}

func showPoint(out io.Writer, p *graderv1.PointDecision) {
	fmt.Fprintf(out, "%-12s %s\n", p.GetDecision(), p.GetStatement())
	for _, q := range p.GetEvidence() {
		fmt.Fprintf(out, "             %q", q.GetQuote())
		if q.StartMs != nil {
			fmt.Fprintf(out, " at %s", time.Duration(q.GetStartMs())*time.Millisecond)
		}
		fmt.Fprintln(out)
	}
}

func showCritique(out io.Writer, c *graderv1.Critique) {
	fmt.Fprintf(out, "%s by %s: %s\n", c.GetState(), c.GetMode(), c.GetSummary())
	if s := c.GetScore(); s != nil {
		fmt.Fprintf(out, "score between %.1f and %.1f (%s)\n", s.GetLow(), s.GetHigh(), s.GetBand())
	}
}

// explain says what went wrong, with the reason that programs can tell errors apart by.
func explain(err error) string {
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return fmt.Sprintf("client-go: %s (%s)", st.Message(), info.GetReason())
		}
	}
	return "client-go: " + st.Message()
}
