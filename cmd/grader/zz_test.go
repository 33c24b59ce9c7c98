package main
import ("context";"github.com/vivagrader/grader/internal/judge";"testing";"time";"fmt";"net/http";"sync";"os";"github.com/vivagrader/grader/internal/app";"github.com/vivagrader/grader/internal/batch";"github.com/vivagrader/grader/internal/config";"github.com/vivagrader/grader/internal/judge/judgetest";"github.com/stretchr/testify/require")
func TestZZ(t *testing.T){
 var mu sync.Mutex; var st,en []time.Duration; t0:=time.Now()
 d,_:=newDesk(t,1280,judgetest.Options{Delay:200*time.Millisecond},func(n http.Handler)http.Handler{return http.HandlerFunc(func(w http.ResponseWriter,r *http.Request){
  a:=time.Since(t0); n.ServeHTTP(w,r); b:=time.Since(t0)
  mu.Lock(); st=append(st,a); en=append(en,b); mu.Unlock()
 })})
 graders,_:=(&globals{}).graders(); graders.settings()
 var flags batchFlags; flags.judge.config.Concurrency=32
 cache := t.TempDir(); nc := os.Getenv("NC")!=""
 if nc {cache=""}
 j,err:=app.NewJudge(config.Judge{URL:d.url,Model:"label-judge",Concurrency:32,CacheDir:cache,NoCache:nc},nil); require.NoError(t,err)
 cfg:=batch.Config{In:d.in,Out:t.TempDir()+"/o.jsonl",Settings:map[string]string{}}
 inner:=j.Judge; var held time.Duration; var hn int
 j.Judge=fj(func(ctx context.Context,r judge.Request)(judge.Result,error){a:=time.Now(); x,e:=inner.Judge(ctx,r); mu.Lock(); held+=time.Since(a); hn++; mu.Unlock(); return x,e})
 flags.addJudge(&globals{},&cfg,judgeAuto,j); cfg.Ready=nil
 begin:=time.Since(t0)
 _,err=batch.Run(t.Context(),batchGrader{graders,j},cfg); require.NoError(t,err)
 total:=time.Since(t0)-begin
 var busy time.Duration; for i:=range st{busy+=en[i]-st[i]}
 fmt.Println("held per call",held/time.Duration(hn), "held util", held.Seconds()/32/total.Seconds())
 fmt.Println("total",total,"first",st[0]-begin,"busy per call",busy/time.Duration(len(st)),"calls",len(st),"util",busy.Seconds()/32/total.Seconds(), "last end→total", begin+total-en[len(en)-1], j.Client.Totals())
}

type fj func(ctx context.Context,r judge.Request)(judge.Result,error)
func (f fj) Judge(ctx context.Context,r judge.Request)(judge.Result,error){return f(ctx,r)}
