-- The journal tells of all that is shown of a job: also that it is held, or is to be cancelled, which is no state and no step.

DROP TRIGGER job_moved ON job;
CREATE TRIGGER job_moved AFTER UPDATE ON job FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.step IS DISTINCT FROM NEW.step OR OLD.held IS DISTINCT FROM NEW.held
          OR OLD.undoing IS DISTINCT FROM NEW.undoing
          OR OLD.cancel_requested_at IS DISTINCT FROM NEW.cancel_requested_at) EXECUTE FUNCTION job_journal();
