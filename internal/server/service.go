package server

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/wire"
)

// service is the rpcs: convert in, call, convert out.
type service struct {
	graderv1.UnimplementedGraderServiceServer
	catalog atomic.Pointer[Catalog]
	judge   *grade.Judged // nil: none is configured
	speech  *recogniser   // nil: none is configured
	gate    *judgeGate
	metrics *metrics
}

// GradeAnswer grades one answer.
func (s *service) GradeAnswer(ctx context.Context, req *graderv1.GradeAnswerRequest) (*graderv1.GradeAnswerResponse, error) {
	j, err := s.answered(ctx, req, req.GetAnswer())
	if err != nil {
		return nil, err
	}
	c, err := j.grade(ctx)
	if err != nil {
		return nil, err
	}
	s.metrics.graded(c)
	return &graderv1.GradeAnswerResponse{Critique: j.critique(c)}, nil
}

// StreamGradeAnswer grades one answer and says what it knows as soon as it does.
func (s *service) StreamGradeAnswer(req *graderv1.StreamGradeAnswerRequest, stream grpc.ServerStreamingServer[graderv1.StreamGradeAnswerResponse]) error {
	j, err := s.answered(stream.Context(), req, req.GetAnswer())
	if err != nil {
		return err
	}
	c, err := j.stream(stream.Context(), stream.Send)
	if err != nil {
		return err
	}
	s.metrics.graded(c)
	return nil
}

// ListQuestions lists questions page by page.
func (s *service) ListQuestions(ctx context.Context, req *graderv1.ListQuestionsRequest) (*graderv1.ListQuestionsResponse, error) {
	full, err := fullView(ctx, req.GetView())
	if err != nil {
		return nil, err
	}
	c := s.catalog.Load()
	list, err := c.filter(req)
	if err != nil {
		return nil, err
	}
	part, next, err := page(list, req.GetPageSize(), req.GetPageToken(), c.version, req.GetBank(), req.GetCategory(), req.GetStage().String())
	if err != nil {
		return nil, err
	}
	out := &graderv1.ListQuestionsResponse{NextPageToken: next, TotalSize: int32(len(list))}
	for _, q := range part {
		out.Questions = append(out.Questions, wire.Question(q, full))
	}
	return out, nil
}

// GetQuestion returns one question.
func (s *service) GetQuestion(ctx context.Context, req *graderv1.GetQuestionRequest) (*graderv1.GetQuestionResponse, error) {
	full, err := fullView(ctx, req.GetView())
	if err != nil {
		return nil, err
	}
	_, q, err := s.catalog.Load().find(req.GetBank(), req.GetQuestionId())
	if err != nil {
		return nil, err
	}
	return &graderv1.GetQuestionResponse{Question: wire.Question(q, full)}, nil
}

// ListBanks lists the banks page by page.
func (s *service) ListBanks(ctx context.Context, req *graderv1.ListBanksRequest) (*graderv1.ListBanksResponse, error) {
	full, err := fullView(ctx, req.GetView())
	if err != nil {
		return nil, err
	}
	c := s.catalog.Load()
	part, next, err := page(c.Banks(), req.GetPageSize(), req.GetPageToken(), c.version)
	if err != nil {
		return nil, err
	}
	out := &graderv1.ListBanksResponse{NextPageToken: next, TotalSize: int32(len(c.graders))}
	for _, b := range part {
		out.Banks = append(out.Banks, wire.Bank(b, full))
	}
	return out, nil
}

// GetBank returns one bank.
func (s *service) GetBank(ctx context.Context, req *graderv1.GetBankRequest) (*graderv1.GetBankResponse, error) {
	full, err := fullView(ctx, req.GetView())
	if err != nil {
		return nil, err
	}
	g, err := s.catalog.Load().grader(req.GetBank())
	if err != nil {
		return nil, err
	}
	return &graderv1.GetBankResponse{Bank: wire.Bank(g.Bank(), full)}, nil
}

// fullView reports whether the whole rubric is wanted, or why the caller must not have it.
func fullView(ctx context.Context, v graderv1.View_Value) (bool, error) {
	if v != graderv1.View_FULL {
		return false, nil
	}
	return true, callerOf(ctx).may(ScopeRubricRead)
}

// filter returns the questions that a list is asked for.
func (c *Catalog) filter(req *graderv1.ListQuestionsRequest) ([]*rubric.Question, error) {
	if req.GetBank() != "" {
		if _, err := c.grader(req.GetBank()); err != nil {
			return nil, err
		}
	}
	var out []*rubric.Question
	for _, q := range c.questions {
		if (req.GetBank() == "" || q.Bank.ID == req.GetBank()) && (req.GetCategory() == "" || q.Category == req.GetCategory()) &&
			(req.GetStage() == graderv1.Question_UNSPECIFIED || wire.Question(q, false).Stage == req.GetStage()) {
			out = append(out, q)
		}
	}
	return out, nil
}
